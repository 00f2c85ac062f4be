"""What the back office's pages say, as a person reads them."""

import re

BILLS = "/admin/billing/bill/"
LABEL = "LABEL NO.{:07d} LOT NO.:STAR44GG24611, D.O.T.:30/09/2025"


def numbers(response):
    """The numbers in the list."""
    return re.findall(r'class="field-number[^>]*><a[^>]*>([^<]+)<', response.content.decode())


def texts(response):
    """What a person reads, in one line."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))
