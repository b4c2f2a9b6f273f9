"""Write the raw data of the shop: users with their change history, products, carts.

Only the standard library's seeded generator is used, so the bytes are the same everywhere:
`python data/generate.py [folder]` writes users.jsonl, products.csv and carts.jsonl to data/raw.
"""

from __future__ import annotations

import csv
import io
import json
import random
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

SEED = 20260101
USERS, PRODUCTS, CARTS = 400, 120, 1500
START = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 270

FIRST = ("Ada", "Bruno", "Chiara", "David", "Elif", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Karin", "Lena", "Marta")
LAST = ("Adler", "Bauer", "Costa", "Dubois", "Engel", "Fischer", "Greco", "Hansen", "Ivanov", "Keller", "Lang")
CITIES = (("Berlin", "DE"), ("Hamburg", "DE"), ("Vienna", "AT"), ("Zurich", "CH"), ("Milan", "IT"), ("Lyon", "FR"))
DIAL = {"DE": "49", "AT": "43", "CH": "41", "IT": "39", "FR": "33"}
TIERS = ("basic", "silver", "gold")
CATEGORIES = ("books", "electronics", "garden", "kitchen", "sports", "toys")
NOUNS = ("Lamp", "Kettle", "Racket", "Puzzle", "Novel", "Speaker", "Trowel", "Scale", "Ball", "Tripod")
ADJECTIVES = ("Bright", "Compact", "Classic", "Quiet", "Sturdy", "Light", "Green", "Small")


def make_users(rng: random.Random) -> list[dict[str, object]]:
    """One line per change of a user: the first is the registration, later ones move, upgrade or change the address."""
    lines: list[dict[str, object]] = []
    for user_id in range(1, USERS + 1):
        first, last = rng.choice(FIRST), rng.choice(LAST)
        city, country = rng.choice(CITIES)
        changed_at = START + timedelta(minutes=rng.randrange(60 * 24 * 60))
        user: dict[str, object] = {
            "user_id": user_id,
            "changed_at": "",
            "first_name": first,
            "last_name": last,
            "email": f"{first}.{last}{user_id}@mail.example".lower(),
            "phone": f"+{DIAL[country]} {rng.randrange(150, 180)} {rng.randrange(1_000_000, 10_000_000)}",
            "city": city,
            "country": country,
            "loyalty_tier": "basic",
        }
        for change in range(1 + rng.choice((0, 0, 0, 1, 1, 2))):
            if change:
                changed_at += timedelta(minutes=rng.randrange(60, 60 * 24 * 90))
                _change(rng, user)
            lines.append(user | {"changed_at": _stamp(changed_at)})
    return sorted(lines, key=lambda line: (str(line["changed_at"]), int(str(line["user_id"]))))


def _change(rng: random.Random, user: dict[str, object]) -> None:
    kind = rng.randrange(4)
    if kind == 0:
        user["city"], user["country"] = rng.choice(CITIES)
    elif kind == 1:
        user["loyalty_tier"] = TIERS[min(TIERS.index(str(user["loyalty_tier"])) + 1, len(TIERS) - 1)]
    elif kind == 2:
        user["email"] = f"{user['first_name']}{rng.randrange(1000)}.{user['user_id']}@post.example".lower()
    # kind 3: the user saved the form without a change; the warehouse must not make a new version of it


def make_products(rng: random.Random) -> list[dict[str, object]]:
    """The catalogue; prices in EUR with two decimals."""
    products: list[dict[str, object]] = []
    for number in range(1, PRODUCTS + 1):
        name = f"{rng.choice(ADJECTIVES)} {rng.choice(NOUNS)} {number}"
        price = rng.randrange(299, 19_999)
        products.append(
            {
                "sku": f"SKU-{number:05d}",
                "name": name,
                "category": rng.choice(CATEGORIES),
                "price_eur": f"{price / 100:.2f}",
                "active": "false" if rng.randrange(12) == 0 else "true",
            }
        )
    return products


def make_carts(
    rng: random.Random, users: list[dict[str, object]], products: list[dict[str, object]]
) -> list[dict[str, object]]:
    """Carts of registered users, with the contact details typed in at checkout."""
    first_seen: dict[object, dict[str, object]] = {}
    for line in users:
        first_seen.setdefault(line["user_id"], line)
    registered = list(first_seen.values())
    carts: list[dict[str, object]] = []
    for number in range(1, CARTS + 1):
        user = rng.choice(registered)
        since = datetime.fromisoformat(str(user["changed_at"]))
        latest = START + timedelta(days=DAYS)
        created = since + timedelta(seconds=rng.randrange(int((latest - since).total_seconds())))
        email = str(user["email"])
        typed = rng.choice((email, email, email, email.upper(), f" {email}"))  # as people type it
        chosen = rng.sample(products, rng.choice((1, 1, 2, 2, 3, 4, 5)))
        carts.append(
            {
                "cart_id": f"C{number:06d}",
                "user_id": user["user_id"],
                "created_at": _stamp(created),
                "status": rng.choice(("purchased", "purchased", "purchased", "abandoned")),
                "contact": {"email": typed, "phone": user["phone"]},
                "items": [
                    {
                        "sku": product["sku"],
                        "quantity": rng.choice((1, 1, 1, 2, 2, 3, 5)),
                        "unit_price_eur": float(str(product["price_eur"])),
                        "discount_percent": rng.choice((0, 0, 0, 0, 5, 10, 20)),
                    }
                    for product in chosen
                ],
            }
        )
    return carts


def generate(folder: Path) -> None:
    """Write the three files to `folder`, replacing what is there."""
    rng = random.Random(SEED)
    users, products = make_users(rng), make_products(rng)
    carts = make_carts(rng, users, products)
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in (("users.jsonl", users), ("carts.jsonl", carts)):
        (folder / name).write_bytes("".join(json.dumps(line) + "\n" for line in lines).encode())
    table = io.StringIO()
    writer = csv.DictWriter(table, fieldnames=list(products[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(products)
    (folder / "products.csv").write_bytes(table.getvalue().encode())


def _stamp(moment: datetime) -> str:
    return moment.isoformat()


if __name__ == "__main__":
    generate(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "raw")
