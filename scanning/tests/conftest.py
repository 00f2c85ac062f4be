"""A station that scans over HTTP, as the page does."""

import uuid

import pytest

from scanning.models import ScanException

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

    def undo(self, undo_id=None, scan_id=None):
        body = {"undo_id": str(undo_id or uuid.uuid4()), "scan_id": scan_id}
        return self.post("/api/scans/undo/", **body)

    def finish(self, parent):
        return self.post("/api/scans/finish/", parent=parent)


class Queue:
    """A device that sends batches: `scan`, `move`, `undo`, `finish` make items, `send` posts them.

    `send` returns the results; `post` the response.
    """

    def __init__(self, client, station="PACK-1", device=None):
        self.client = client
        self.station = station
        self.device = device or str(uuid.uuid4())
        self.issued = 0

    def item(self, kind, **more):
        self.issued += 1
        at = "2026-11-24T10:00:00+05:30"
        item = {"kind": kind, "id": str(uuid.uuid4()), "seq": self.issued, "at": at}
        return item | {"station": self.station, "late": False} | more

    def scan(self, code, parent=None, **more):
        return self.item("scan", code=code, parent=parent, switch=parent is not None, **more)

    def move(self, code, parent, holder, **more):
        return self.item("move", code=code, parent=parent, **{"from": holder} | more)

    def undo(self, scan=None, **more):
        return self.item("undo", scan_id=scan and scan["id"], **more)

    def finish(self, parent):
        return self.item("finish", parent=parent)

    def post(self, *items, **more):
        body = {"device": self.device, "station": self.station, "waiting": 0, "parent": None}
        body |= {"issued": self.issued, "items": items} | more
        return self.client.post("/api/scans/batch", body, "application/json")

    def send(self, *items, **more):
        answer = self.post(*items, **more)
        assert answer.status_code == 200, answer.content
        assert [result["id"] for result in answer.json()["results"]] == [x["id"] for x in items]
        return answer.json()["results"]


@pytest.fixture
def queue(dispatcher, sign_in) -> Queue:
    return Queue(sign_in(dispatcher))


@pytest.fixture
def packer(dispatcher, sign_in) -> Packer:
    return Packer(sign_in(dispatcher))


@pytest.fixture
def elsewhere(queue, packer) -> ScanException:
    """Ravi's late scan of a child for SB00001, which Ravi had put into SB00002 at PACK-2."""
    other = Packer(packer.client, "PACK-2")
    packer.scan("SB00001")
    other.scan("SB00002")
    other.scan(label(1), "SB00002")
    queue.send(queue.scan(label(1), "SB00001", late=True))
    return ScanException.objects.get()
