"""Personal data does not leave the masking step in clear."""

from __future__ import annotations

import re
from datetime import datetime

import pytest


def test_mask_email_joins_without_showing(connection):
    one, other, different = connection.execute(
        "SELECT mask_email('ada@mail.example'), mask_email('ada@mail.example'), mask_email('bob@mail.example')"
    ).fetchone()
    assert one == other != different
    assert re.fullmatch(r"[0-9a-f]{16}@masked\.example", one)


@pytest.mark.parametrize(
    ("phone", "masked"), [("+49 170 1234567", "+49********67"), ("+33 151 7654321", "+33********21")]
)
def test_mask_phone_keeps_country_and_two_digits(connection, phone, masked):
    assert connection.execute("SELECT mask_phone(?)", [phone]).fetchone() == (masked,)


def test_staged_carts_hold_no_address(make):
    cart = {
        "cart_id": "C1",
        "user_id": 7,
        "created_at": datetime(2026, 3, 1, 10),
        "status": "purchased",
        "contact_email": "ada@mail.example",
        "contact_phone": "+49 170 1234567",
        "lines": 1,
    }
    (row,) = make("stg_carts", std_carts=[cart])
    assert "ada" not in str(row)
    assert "1234567" not in str(row)
