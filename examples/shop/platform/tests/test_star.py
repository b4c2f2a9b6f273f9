"""The star schema: versions of customers, keys, amounts."""

from __future__ import annotations

from datetime import datetime

FIRST, LATER = datetime(2026, 1, 1), datetime(2026, 6, 1)


def user(changed_at, city="Berlin", user_id=7):
    return {
        "user_id": user_id,
        "changed_at": changed_at,
        "initials": "A.A.",
        "email": "0123456789abcdef@masked.example",
        "phone": "+49********67",
        "city": city,
        "country": "DE",
        "loyalty_tier": "basic",
    }


def test_a_change_closes_the_version_before(make):
    old, new = make("dim_customer", stg_users=[user(FIRST), user(LATER, city="Hamburg")])
    assert (old["valid_from"], old["valid_to"], old["is_current"]) == (FIRST, LATER, False)
    assert (new["valid_from"], new["valid_to"], new["is_current"]) == (LATER, None, True)
    assert (old["customer_key"], new["customer_key"]) == (1, 2)


def test_saving_without_a_change_makes_no_version(make):
    (only,) = make("dim_customer", stg_users=[user(FIRST), user(LATER)])
    assert only["is_current"]


def test_products_get_keys_in_order(make):
    product = {"sku": "SKU-00002", "name": "Lamp", "category": "garden", "price_eur": 9.99, "active": True}
    rows = make("dim_product", std_products=[product, product | {"sku": "SKU-00001"}])
    assert [(row["product_key"], row["sku"]) for row in rows] == [(1, "SKU-00001"), (2, "SKU-00002")]


def test_dates_have_no_gap(make):
    carts = [{"created_at": datetime(2026, 2, 27, 23)}, {"created_at": datetime(2026, 3, 2, 1)}]
    rows = make("dim_date", std_carts=carts)
    assert [row["date_key"] for row in rows] == [20260227, 20260228, 20260301, 20260302]
    assert [row["is_weekend"] for row in rows] == [False, True, True, False]


def test_a_sale_per_line_of_a_purchased_cart(make):
    carts = [
        {"cart_id": "C1", "user_id": 7, "created_at": LATER, "status": "purchased"},
        {"cart_id": "C2", "user_id": 7, "created_at": LATER, "status": "abandoned"},
    ]
    item = {"sku": "SKU-1", "quantity": 2, "unit_price_eur": 10.0, "discount_ratio": 0.1}
    rows = make(
        "fact_sales",
        stg_carts=carts,
        std_cart_items=[item | {"cart_id": cart, "line_number": 1} for cart in ("C1", "C2")],
        dim_customer=[{"customer_key": 3, "user_id": 7, "valid_from": FIRST, "valid_to": LATER.replace(year=2027)}],
        dim_product=[{"product_key": 5, "sku": "SKU-1"}],
        dim_date=[{"date_key": 20260601, "day": LATER}],
    )
    assert [row["sale_id"] for row in rows] == ["C1-1"]
    assert (rows[0]["customer_key"], rows[0]["product_key"], rows[0]["date_key"]) == (3, 5, 20260601)
    assert (rows[0]["gross_amount_eur"], rows[0]["net_amount_eur"]) == (20.0, 18.0)
