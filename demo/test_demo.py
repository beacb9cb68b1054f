"""The pages in a browser, wide and narrow.

SCREENSHOTS names a directory for pictures of every tab.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from threading import Thread

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from private_server import PrivateServer, database, server
from sqlalchemy import URL, Engine, create_engine, text
from sqlalchemy.orm import Session
from sqlalchemy_accumulator import AccumulatorClient
from werkzeug.serving import make_server

import shop
from app import TABS, create_app
from chart import chart
from shop import BOOKS, SALES, STOCK

__all__ = ["database", "server"]

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WIDTHS = {"desk": 1280, "phone": 390}


@pytest.fixture(scope="module")
def engine(server: PrivateServer, database: str) -> Iterator[Engine]:
    url = URL.create(
        "postgresql+psycopg",
        username=server.user,
        database=database,
        query={"host": server.host},
    )
    engine = create_engine(url)
    with Session(engine) as session:
        shop.create(session, date.today())
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def address(engine: Engine) -> Iterator[str]:
    web = make_server("127.0.0.1", 0, create_app(engine), threaded=True)
    thread = Thread(target=web.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{web.port}"
    web.shutdown()
    thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(params=WIDTHS)
def page(request: pytest.FixtureRequest, browser: Browser, address: str) -> Iterator[Page]:
    """A page of some width; nothing may be written to its console."""
    page = browser.new_page(
        viewport={"width": WIDTHS[request.param], "height": 900}, base_url=address
    )
    page.set_default_timeout(15000)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    page.close()
    assert complaints == []


@pytest.fixture(autouse=True)
def right_to_the_end(engine: Engine) -> Iterator[None]:
    """Whatever was done on the pages, every sum is that of the movements, and the books agree."""
    yield
    client = AccumulatorClient(engine)
    stock, books = client.use(STOCK), client.use(BOOKS)
    for findings in (stock.verify(), client.use(SALES).verify(), books.verify()):
        assert {finding.status for finding in findings} == {"OK"}
    assert books.debits_equal_credits()
    assert books.balance("41")["amount"].balance == stock.balance()["amount"]
    sold = books.turnover(account="90.01")[0]["amount_cr"]
    assert sold == client.use(SALES).turnover()[0]["revenue"]


def in_stock(engine: Engine, warehouse: str, product: str) -> int:
    with engine.connect() as connection:
        found = connection.scalar(
            text(
                "SELECT coalesce(sum(quantity), 0) FROM accum.stock_movements"
                " WHERE warehouse = :warehouse AND product = :product"
            ),
            {"warehouse": warehouse, "product": product},
        )
    return int(found)


def post(page: Page, kind: str, product: str, quantity: int, day: date | None = None) -> None:
    page.goto("/operations")
    page.get_by_label(kind, exact=True).check()
    page.get_by_label("Product").select_option(product)
    page.get_by_label("Warehouse").select_option("harbour")
    page.get_by_label("Quantity", exact=True).fill(str(quantity))
    if day:
        page.get_by_label("Day", exact=True).fill(day.isoformat())
    page.get_by_role("button", name="Post").click()


def name_in(page: Page, pattern: str) -> str:
    """The name of the document that a notice tells of."""
    notice = page.get_by_role("status")
    expect(notice).to_contain_text(re.compile(pattern))
    found = re.search(r"\w+:\d+", notice.inner_text())
    assert found is not None
    return found[0]


def test_post_correct_cancel(page: Page, engine: Engine) -> None:
    before = in_stock(engine, "harbour", "kettle")
    post(page, "Delivery", "kettle", 7)
    document = name_in(page, "Posted delivery:")
    assert in_stock(engine, "harbour", "kettle") == before + 7

    line = page.get_by_role("listitem").filter(has_text=re.compile(rf"{document}\b"))
    line.get_by_label("Quantity of").fill("5")
    line.get_by_role("button", name="Correct").click()
    assert name_in(page, "Corrected delivery:") == document
    expect(line).to_contain_text("+5")
    assert in_stock(engine, "harbour", "kettle") == before + 5

    line.get_by_role("button", name="Cancel").click()
    assert name_in(page, "Cancelled delivery:") == document
    expect(line).to_have_count(0)
    assert in_stock(engine, "harbour", "kettle") == before


def test_overdraw(page: Page, engine: Engine) -> None:
    before = in_stock(engine, "harbour", "papers")
    post(page, "Shipment", "papers", before + 1)
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("There is not enough in stock.")
    expect(alert).to_contain_text('limit "never_below_zero"')
    expect(alert).to_contain_text("harbour, papers")
    assert in_stock(engine, "harbour", "papers") == before
    shoot(page, "overdraw")
    # Not on a day of the past either, though there is enough today.
    post(page, "Shipment", "papers", 1, date.today() - timedelta(days=200))
    expect(page.get_by_role("alert")).to_contain_text("There is not enough in stock.")
    post(page, "Shipment", "papers", 1)
    name_in(page, "Posted shipment:")
    assert in_stock(engine, "harbour", "papers") == before - 1


def test_order_and_its_movements(page: Page, engine: Engine) -> None:
    before = in_stock(engine, "harbour", "filter"), in_stock(engine, "station", "grinder")
    page.goto("/orders")
    page.get_by_label("Customer").fill("Tea <House> & Sons")
    page.get_by_label("Product").first.select_option("filter")
    page.get_by_label("Quantity").first.fill("2")
    page.get_by_label("Product").nth(1).select_option("grinder")
    page.get_by_label("From").nth(1).select_option("station")
    page.get_by_label("Quantity").nth(1).fill("1")
    page.get_by_role("button", name="Place order").click()
    order = name_in(page, "Placed order:")
    line = page.get_by_role("listitem").filter(has_text=re.compile(rf"{order}\b"))
    expect(line).to_contain_text("Tea <House> & Sons")
    expect(line).to_contain_text("€ 97.00")
    line.get_by_text("Movements").click()
    expect(line.get_by_role("row").filter(has_text="debit 62 · credit 90.01")).to_contain_text("97.00")
    expect(line.get_by_role("row")).to_have_count(4)
    shoot(page, "order")
    assert in_stock(engine, "harbour", "filter") == before[0] - 2
    assert in_stock(engine, "station", "grinder") == before[1] - 1
    sales = AccumulatorClient(engine).use(SALES)
    assert sales.turnover(customer="Tea <House> & Sons")[0]["revenue"] == 97

    line.get_by_role("button", name="Cancel").click()
    assert name_in(page, "Cancelled order:") == order
    expect(line).to_contain_text("cancelled")
    assert (in_stock(engine, "harbour", "filter"), in_stock(engine, "station", "grinder")) == before
    assert sales.turnover(customer="Tea <House> & Sons")[0]["revenue"] == 0


def test_an_order_beyond_stock_leaves_nothing(page: Page, engine: Engine) -> None:
    with engine.connect() as connection:
        orders = connection.scalar(text("SELECT count(*) FROM orders"))
    page.goto("/orders")
    page.get_by_label("Quantity").first.fill("100000")
    page.get_by_role("button", name="Place order").click()
    expect(page.get_by_role("alert")).to_contain_text("There is not enough in stock.")
    expect(page).to_have_url(re.compile("/orders$"))
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM orders")) == orders


def test_query_at_a_date(page: Page, engine: Engine) -> None:
    day = date.today() - timedelta(days=45)
    with engine.connect() as connection:
        expected = connection.scalar(
            text(
                "SELECT sum(quantity) FROM accum.stock_movements"
                " WHERE product = 'espresso' AND warehouse = 'station'"
                " AND period < timezone('UTC', CAST(:end AS timestamp))"
            ),
            {"end": day + timedelta(days=1)},
        )
    page.goto("/queries")
    page.get_by_label("Product").select_option("espresso")
    page.get_by_label("Warehouse").select_option("station")
    page.get_by_label("From", exact=True).fill((day - timedelta(days=60)).isoformat())
    page.get_by_label("To", exact=True).fill(day.isoformat())
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#balance")).to_have_text(f"{expected:,}")
    shoot(page, "chart")
    expect(page.get_by_role("img", name="Balance of Espresso")).to_be_visible()
    expect(page.get_by_role("table").first.get_by_role("row").last).to_contain_text(f"{expected:,}")


def test_balances_are_live(page: Page, engine: Engine) -> None:
    page.goto("/balances")
    row = page.get_by_role("row").filter(has_text="grinder").filter(has_text="station").first
    expected = in_stock(engine, "station", "grinder") + 11
    expect(row).not_to_contain_text(str(expected))
    AccumulatorClient(engine).use(STOCK).post(
        {
            "recorder": "elsewhere:1",
            "period": date.today(),
            "warehouse": "station",
            "product": "grinder",
            "quantity": 11,
        }
    )
    try:
        expect(row).to_contain_text(str(expected), timeout=15000)
    finally:
        AccumulatorClient(engine).use(STOCK).unpost("elsewhere:1")


def shoot(page: Page, name: str) -> None:
    """A picture of the whole page, which is no wider than its window, as are its tables."""
    assert page.viewport_size is not None
    width = page.viewport_size["width"]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    clipped = "[...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth)"
    assert page.evaluate(f"{clipped}.length") == 0
    if directory := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=Path(directory) / f"{name}-{width}.png", full_page=True)


def test_books(page: Page, engine: Engine) -> None:
    books = AccumulatorClient(engine).use(BOOKS)
    before = books.balance("62", {"customer": "Hotel Krone"})["amount"].balance
    page.goto("/books")
    page.locator("[name=customer]").select_option("Hotel Krone")
    page.get_by_label("Amount").fill("12.34")
    page.get_by_role("button", name="Post").click()
    payment = name_in(page, "Posted payment:")
    after = books.balance("62", {"customer": "Hotel Krone"})["amount"].balance
    assert before - after == Decimal("12.34")
    line = page.get_by_role("row").filter(has_text=re.compile(rf"{payment}\b"))
    expect(line).to_contain_text("12.34")
    expect(line).to_contain_text(f"{books.balance('62')['amount'].balance:,.2f}")
    expect(page.get_by_text("debits equal credits")).to_be_visible()
    page.locator("[name=account]").select_option("41")
    page.get_by_role("button", name="Show").click()
    shown = page.get_by_role("table").first.get_by_role("row").filter(has_text="Goods")
    expect(shown).to_contain_text(f"{books.balance('41')['amount'].balance:,.2f}")
    shoot(page, "books-goods")


@pytest.mark.parametrize("amount", ["", "much", "-1", "0", "0.001", "1e9", "NaN"])
def test_payments_that_make_no_sense(engine: Engine, amount: str) -> None:
    client = create_app(engine).test_client()
    form = {"customer": "Hotel Krone", "amount": amount}
    response = client.post("/books", data=form, follow_redirects=True)
    assert response.status_code == 200 and 'role="alert"' in response.text


def test_every_tab(page: Page) -> None:
    for endpoint, title in TABS.items():
        page.goto(f"/{endpoint}")
        expect(page).to_have_title(f"{title} · pg_accumulator")
        expect(page.get_by_role("link", name=title, exact=True)).to_be_in_viewport()
        shoot(page, endpoint)
    page.goto("/registers")
    page.get_by_role("link", name="Check every sum").click()
    expect(page.get_by_text("balance_cache OK").first).to_be_visible()
    shoot(page, "registers-checked")


@pytest.mark.parametrize(
    "form",
    [
        {"product": "nothing", "warehouse": "harbour", "quantity": "1"},
        {"product": "kettle", "warehouse": "nowhere", "quantity": "1"},
        {"product": "kettle", "warehouse": "harbour", "quantity": "-1"},
        {"product": "kettle", "warehouse": "harbour", "quantity": "9" * 30},
        {"product": "kettle", "warehouse": "harbour", "quantity": "1", "period": "someday"},
        {},
    ],
)
def test_forms_that_make_no_sense(engine: Engine, form: dict[str, str]) -> None:
    client = create_app(engine).test_client()
    response = client.post("/operations", data=form, follow_redirects=True)
    assert response.status_code == 200 and 'role="alert"' in response.text


def test_a_document_that_somebody_else_cancelled(engine: Engine) -> None:
    client = create_app(engine).test_client()
    form = {"recorder": "delivery:0", "quantity": "1"}
    response = client.post("/operations/correct", data=form, follow_redirects=True)
    assert "There is no document delivery:0 any more." in response.text
    response = client.post("/operations/cancel", data=form, follow_redirects=True)
    assert "There is no document delivery:0 any more." in response.text


def test_a_chart() -> None:
    assert chart([]) is None
    day = date(2026, 1, 1)
    drawn = chart([(day, Decimal(0)), (day + timedelta(days=10), Decimal(48))])
    assert drawn is not None and drawn.line == "M0.00 100.00H100.00V4.00H100"
