"""A site behind a proxy that fails, and stations in front of it."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Playwright

from tests.faults.chromium import Chromium, Station, sign_in
from tests.faults.proxy import Proxy
from tests.faults.site import Site


@pytest.fixture(scope="package")
def site(tmp_path_factory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("site"))
    yield site
    site.stop()


@pytest.fixture
def proxy(site: Site) -> Iterator[Proxy]:
    with Proxy(to=site.port) as proxy:
        yield proxy


@pytest.fixture
def new_station(site: Site, proxy: Proxy, playwright: Playwright, tmp_path) -> Iterator[Callable]:
    """A name -> a station with a browser of its own."""
    stations = []

    def made(name: str) -> Station:
        chromium = Chromium(playwright, tmp_path / name)
        chromium.profile.mkdir()
        url = f"http://127.0.0.1:{proxy.port}"
        stations.append(Station(chromium, url, name, sign_in(site.port)))
        return stations[-1]

    yield made
    for station in stations:
        station.chromium.stop()
