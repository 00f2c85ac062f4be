"""Text from a scanner becomes a code, whatever it is."""

import json
from dataclasses import asdict
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bags import codes

# The same vectors test scanning/static/scanning/codes.js, in tests/browser/test_wedge.py.
VECTORS = json.loads((Path(__file__).parent / "codes.json").read_text())
LABEL = "LABEL NO.0016586 LOT NO.:STAR44GG24611, D.O.T.:30/09/2025"


def test_a_label_is_lot_and_number():
    code = codes.read(LABEL)
    assert code == codes.Code(
        "STAR44GG24611:0016586", "label", "0016586", "STAR44GG24611", date(2025, 9, 30)
    )


@pytest.mark.parametrize(
    ("text", "qr_id"),
    [
        ("label no.0016586 lot no.:star44gg24611, d.o.t.:30/09/2025", "STAR44GG24611:0016586"),
        ("LABEL NO:0016586 LOT NO:STAR44GG24611", "STAR44GG24611:0016586"),
        ("LABEL NO 0016586 LOT NO STAR44GG24611", "STAR44GG24611:0016586"),
        ("LABEL NO. : 7 LOT NO. : A, D.O.T.: 1/2/2025", "A:7"),
        (
            "LABEL NO.0016586\r\nLOT NO.:STAR44GG24611,\r\nD.O.T.:30/09/2025",
            "STAR44GG24611:0016586",
        ),
        ("LABEL   NO.0016586\tLOT\nNO.:STAR44GG24611", "STAR44GG24611:0016586"),
        (
            "LABEL NO.0016586 LOT NO.:STAR15MD25095(II), D.O.T.:30/09/2025",
            "STAR15MD25095(II):0016586",
        ),
        ("LABEL NO.0016586 LOT NO.:STAR15 D.O.T.:30/09/2025", "STAR15:0016586"),
        ("LOT NO.:STAR15 LABEL NO.0016586", "STAR15:0016586"),
        ("LABEL NO.0016586", "0016586"),
        ("LABEL NO.0016586 LOT NO.:, D.O.T.:30/09/2025", "0016586"),
        ("STAR44GG24611:0016586", "STAR44GG24611:0016586"),
    ],
)
def test_forms_of_a_label(text, qr_id):
    assert codes.read(text).qr_id == qr_id


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["why"])
def test_vectors(vector):
    code = asdict(codes.read(vector["raw"]))
    assert codes.normalise(vector["raw"]) == vector["text"]
    assert codes.command(vector["raw"]) == vector["command"]
    assert {name: code[name] for name in ("qr_id", "form", "label_no", "lot_no")} == {
        name: vector[name] for name in ("qr_id", "form", "label_no", "lot_no")
    }


def test_there_are_enough_vectors():
    assert len({vector["why"] for vector in VECTORS}) == len(VECTORS) >= 60
    assert {vector["command"] for vector in VECTORS} == {None, *codes.COMMANDS.values()}


def test_commands_survive_keyboard_layouts():
    """They are reserved, and have no letter or digit that AZERTY or QWERTZ put elsewhere."""
    for text in codes.COMMANDS:
        assert codes.RESERVED.fullmatch(text)
        assert not set(text) & set("AQZWMY0123456789")


def test_leading_zeros_count():
    assert codes.read("LABEL NO.007").qr_id != codes.read("LABEL NO.7").qr_id


def test_a_date_that_does_not_exist_is_left_out_and_the_label_still_counts():
    code = codes.read("LABEL NO.1 LOT NO.:A, D.O.T.:31/02/2025")
    assert (code.qr_id, code.tested_on) == ("A:1", None)


@pytest.mark.parametrize(
    "text", ["SB00001", "john doe", "A-1", "a/b:c.d_e (f)", "0016586", "A" * 64]
)
def test_plain_codes(text):
    assert codes.read(text) == codes.Code(text.upper(), "plain")


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "AB",
        "A" * 65,
        "-ABC",
        "A;B",
        "<script>",
        "ÄÖÜ",
        "X1/../SB00002",
        "X1/.",
        "LABEL NO.1 LOT NO.:É",
        "A\u2028;",
        "LABEL NO.",
        "LABEL NO. X",
    ]
    + ["A" * 256, "LABEL NO.1 LOT NO.:" + "B" * 255, "\x00\x01\x02"],
)
def test_all_else_is_no_code(text):
    assert codes.read(text).form == "bad"


def test_control_characters_go_and_white_space_becomes_one_space():
    assert codes.normalise("\x02 sb\x1d00001\x00 \t\r\n x\u200b\u00a0y ") == "SB00001 X Y"


@given(st.text())
def test_anything_can_be_read_and_normalising_twice_changes_nothing(text):
    once = codes.normalise(text)
    assert codes.normalise(once) == once
    code = codes.read(text)
    assert (code.qr_id == "") == (code.form == "bad")
    assert len(code.qr_id) <= codes.MAX_LENGTH


@given(st.text(alphabet="LABELNOT .:,/D0123456789()\r\n\t", max_size=255))
def test_anything_like_a_label_can_be_read(text):
    code = codes.read("LABEL NO" + text[:240])
    assert code.form in ("label", "bad")


WHITE = st.text(alphabet=" \t\r\n\v\f", min_size=1, max_size=4)


@given(WHITE, WHITE, WHITE, WHITE)
def test_a_label_is_the_same_in_any_white_space(a, b, c, d):
    text = f"LABEL{a}NO.0016586{b}LOT{c}NO.:STAR44GG24611,{d}D.O.T.:30/09/2025"
    assert codes.read(text) == codes.read(LABEL)
