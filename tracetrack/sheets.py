"""The one way to write spreadsheets: CSV and XLSX, of any length in little memory.

A sheet is written to a file on the disk before the first byte leaves, so that one that breaks off
is an error page and never a shorter file, and that it is known how many rows there are.

Codes stay text, numbers stay numbers, times are the warehouse's. Text never becomes a formula.
"""

import csv
import io
import re
import tempfile
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from itertools import chain, islice
from typing import Any, BinaryIO

from django.http import FileResponse
from django.utils import timezone
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter
from openpyxl.worksheet._write_only import WriteOnlyWorksheet

FORMATS = ("csv", "xlsx")
# What a spreadsheet takes for the beginning of a formula, wide forms of it included.
FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")
MOST_ROWS = 1_048_576  # that a sheet of Excel holds
LOOKED_AT = 200  # rows from which the widths of the columns follow
NARROWEST, WIDEST = 8, 50  # characters
IN_MEMORY = 2**20  # bytes; more goes to the disk

Row = Iterable[Any]


def csv_response(filename: str, header: list[str], rows: Iterable[Row]) -> FileResponse:
    """UTF-8 with a mark at its beginning, without which Excel garbles Hindi; lines end in CR LF.

    `response.row_count` is how many rows it has.
    """
    file = _file()
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    writer = csv.writer(text)
    writer.writerow(map(_csv_value, header))
    count = 0
    for count, row in enumerate(rows, 1):  # noqa: B007  read after the loop
        writer.writerow(map(_csv_value, row))
    text.flush()
    text.detach()
    return _download(file, f"{filename}.csv", "text/csv; charset=utf-8", count)


def xlsx_response(
    filename: str, sheet: str, header: list[str], rows: Iterable[Row]
) -> FileResponse:
    """A workbook; what goes beyond one sheet goes on in the next.

    `response.row_count` is how many rows it has.
    """
    book, count, ahead, rows = Workbook(write_only=True), 0, True, iter(rows)
    title = re.sub(r"[\\/?*\[\]:']", " ", sheet).strip()[:25] or "1"
    while ahead:
        name = f"{title} {len(book.sheetnames) + 1}" if book.sheetnames else title
        count += _fill(book.create_sheet(name), header, islice(rows, MOST_ROWS - 1))
        ahead = next(rows, None)
        rows = chain([ahead], rows)
    file = _file()
    book.save(file)
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    return _download(file, f"{filename}.xlsx", kind, count)


def safe_name(text: str) -> str:
    """`text` as the name of a file anywhere: a bill's number may have slashes and spaces."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._") or "sheet"


def _csv_value(value: Any) -> Any:
    if isinstance(value, datetime):
        return timezone.localtime(value).strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, str) and FORMULA.match(value):
        return f"'{value}"
    return value


def _fill(sheet: WriteOnlyWorksheet, header: list[str], rows: Iterator[Row]) -> int:
    """Write one sheet; how many rows it has."""
    first = [list(row) for row in islice(rows, LOOKED_AT)]
    sheet.freeze_panes = "A2"
    for number, texts in enumerate(zip(header, *first, strict=True), 1):
        longest = max(len(str(text)) for text in texts)
        column = sheet.column_dimensions[get_column_letter(number)]
        column.width = min(max(longest + 2, NARROWEST), WIDEST)
    sheet.append([_bold(sheet, text) for text in header])
    count = 0
    for count, row in enumerate(chain(first, rows), 1):  # noqa: B007  read after the loop
        sheet.append([_xlsx_value(sheet, value) for value in row])
    return count


def _bold(sheet: WriteOnlyWorksheet, text: str) -> WriteOnlyCell:
    cell = _text(sheet, text)
    cell.font = Font(bold=True)
    return cell


def _xlsx_value(sheet: WriteOnlyWorksheet, value: Any) -> Any:
    if isinstance(value, str):
        # openpyxl takes these for a formula or for an error like #N/A
        return _text(sheet, value) if value[:1] in "=#" else ILLEGAL_CHARACTERS_RE.sub("", value)
    if isinstance(value, datetime):
        cell = WriteOnlyCell(sheet, timezone.make_naive(value))
        cell.number_format = "yyyy-mm-dd hh:mm:ss"
        return cell
    if isinstance(value, date):
        cell = WriteOnlyCell(sheet, value)
        cell.number_format = "yyyy-mm-dd"
        return cell
    return value


def _text(sheet: WriteOnlyWorksheet, value: str) -> WriteOnlyCell:
    cell = WriteOnlyCell(sheet, ILLEGAL_CHARACTERS_RE.sub("", str(value)))
    cell.data_type = "s"
    return cell


def _file() -> BinaryIO:
    return tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115  the response closes it


def _download(file: BinaryIO, filename: str, kind: str, count: int) -> FileResponse:
    file.seek(0)
    response = FileResponse(file, as_attachment=True, filename=filename, content_type=kind)
    response["Cache-Control"] = "no-store"
    response["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'; sandbox"
    response.row_count = count
    return response
