"""A station that scans over HTTP, as the page does."""

import uuid

import pytest

LABEL = "LABEL NO.{:07d} LOT NO.:STAR44GG24611, D.O.T.:30/09/2025"


def label(number: int) -> str:
    return LABEL.format(number)


class Packer:
    """Someone at a station: `scan(code, parent)` posts one scan and returns the answer."""

    def __init__(self, client, station="PACK-1"):
        self.client = client
        self.station = station

    def post(self, path, **body):
        return self.client.post(path, {"station": self.station} | body, "application/json")

    def scan(self, code, parent=None, scan_id=None, **more):
        body = {"scan_id": str(scan_id or uuid.uuid4()), "parent": parent, "code": code}
        return self.post("/api/scans/", scanned_at="2026-11-24T10:00:00+05:30", **body, **more)

    def move(self, code, parent, holder):
        body = {"scan_id": str(uuid.uuid4()), "parent": parent, "code": code, "from": holder}
        return self.post("/api/scans/move/", scanned_at="2026-11-24T10:00:00+05:30", **body)

    def undo(self, undo_id=None):
        return self.post("/api/scans/undo/", undo_id=str(undo_id or uuid.uuid4()))

    def finish(self, parent):
        return self.post("/api/scans/finish/", parent=parent)


@pytest.fixture
def packer(dispatcher, sign_in) -> Packer:
    return Packer(sign_in(dispatcher))
