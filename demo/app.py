"""Pages that show registers at work, rendered by the server.

    python demo/app.py postgresql+psycopg://... [port]

creates the shop in that database, if it is not there, and serves the pages.
"""

from __future__ import annotations

import inspect
import secrets
import sys
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from flask import Flask, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import Engine, create_engine, select
from sqlalchemy.orm import Session
from sqlalchemy_accumulator import (
    AccumulatorClient,
    AccumulatorError,
    ClosedPeriodError,
    InvalidArgumentError,
    LimitError,
    NotAllowedError,
)

import shop
from chart import chart
from shop import (
    ACCOUNTS,
    BOOKS,
    SALES,
    STOCK,
    WAREHOUSES,
    Order,
    Posting,
    Product,
    StockBalance,
    StockMovement,
)

TABS = {
    "operations": "Operations",
    "orders": "Orders",
    "catalog": "Catalog",
    "balances": "Balances",
    "queries": "Queries",
    "books": "Books",
    "registers": "Registers",
    "code": "Code",
}
HEADLINES: dict[type[AccumulatorError], str] = {
    LimitError: "There is not enough in stock.",
    ClosedPeriodError: "That time is closed.",
    NotAllowedError: "That is not possible any more.",
    InvalidArgumentError: "Please check what you have entered.",
}


class InputError(ValueError):
    """Something in a form that nobody can make sense of."""


def headline(error: AccumulatorError) -> str:
    for kind, text in HEADLINES.items():
        if isinstance(error, kind):
            return text
    return "The database has refused that."


def session() -> Session:
    current: Session = g.session
    return current


# What forms contain


def product_of(form: Any, key: str = "product") -> Product:
    product = session().get(Product, form.get(key, ""))
    if product is None:
        raise InputError("There is no such product.")
    return product


def warehouse_of(form: Any, key: str = "warehouse") -> str:
    if form.get(key) not in WAREHOUSES:
        raise InputError("There is no such warehouse.")
    return str(form[key])


def quantity_of(form: Any, key: str = "quantity") -> int:
    text = form.get(key, "")
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 1_000_000):
        raise InputError("A quantity is a whole number from one to a million.")
    return int(text)


def amount_of(form: Any, key: str = "amount") -> Decimal:
    try:
        amount = Decimal(form.get(key, ""))
    except InvalidOperation:
        raise InputError("An amount is a number.") from None
    if not (amount.is_finite() and 0 < amount <= 1_000_000 and amount == round(amount, 2)):
        raise InputError("An amount is a number of cents, and at most a million.")
    return amount


def account_of(form: Any, key: str = "account", default: str = "62") -> str:
    account = form.get(key) or default
    if account not in ACCOUNTS:
        raise InputError("There is no such account.")
    return str(account)


def customer_of(form: Any, key: str = "customer") -> str:
    customer = str(form.get(key, "")).strip()
    if not customer:
        raise InputError("Who is the customer?")
    return customer


def range_of(form: Any) -> tuple[date, date]:
    first = day_of(form, "from", date.today() - timedelta(days=90))
    last = day_of(form, "to")
    if not first <= last <= first + timedelta(days=1100):
        raise InputError("Please choose a range of at most three years.")
    return first, last


def day_of(form: Any, key: str, default: date | None = None) -> date:
    try:
        return date.fromisoformat(form.get(key) or (default or date.today()).isoformat())
    except ValueError:
        raise InputError("That is no date.") from None


def name_of_document(form: Any) -> str:
    if not form.get("recorder"):
        raise InputError("There is no such document.")
    return str(form["recorder"])


def create_app(engine: Engine) -> Flask:
    app = Flask(__name__)
    app.secret_key = secrets.token_bytes()

    @app.before_request
    def begin() -> None:
        g.session = Session(engine)

    @app.teardown_request
    def end(_: BaseException | None) -> None:
        if "session" in g:
            g.session.close()

    @app.errorhandler(AccumulatorError)
    def refused(error: AccumulatorError) -> ResponseReturnValue:
        flash(f"{headline(error)}\n{error.message}\n{error.detail or ''}".strip(), "error")
        return redirect(back())

    @app.errorhandler(InputError)
    def misunderstood(error: InputError) -> ResponseReturnValue:
        flash(str(error), "error")
        return redirect(back())

    @app.errorhandler(shop.UnknownDocumentError)
    def unknown(error: shop.UnknownDocumentError) -> ResponseReturnValue:
        flash(f"There is no document {error} any more.", "error")
        return redirect(back())

    def back() -> str:
        """The tab that the request came from, without what it asked for."""
        endpoint = (request.endpoint or "").partition("_")[0]
        return url_for(endpoint if endpoint in TABS else "operations")

    @app.context_processor
    def common() -> dict[str, Any]:
        return {"tabs": TABS, "warehouses": WAREHOUSES, "today": date.today()}

    @app.template_filter("money")
    def money(amount: Decimal) -> str:
        return f"{amount:,.2f}"

    @app.template_filter("number")
    def number(amount: Decimal | int) -> str:
        return f"{amount:,}"

    def done(message: str, endpoint: str) -> ResponseReturnValue:
        """Commit what a form has asked for, and show the tab again."""
        session().commit()
        flash(message, "done")
        return redirect(url_for(endpoint))

    add_pages(app)
    add_actions(app, done)
    return app


def products() -> list[Product]:
    return list(session().scalars(select(Product).order_by(Product.name)))


def by_recorder(rows: Iterable[Any]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for row in rows:
        found.setdefault(row.recorder, []).append(row)
    return found


def add_pages(app: Flask) -> None:
    @app.get("/")
    def home() -> ResponseReturnValue:
        return redirect(url_for("operations"))

    @app.get("/operations")
    def operations() -> str:
        return render_template(
            "operations.html", products=products(), documents=shop.recent_documents(session())
        )

    @app.get("/orders")
    def orders() -> str:
        query = select(Order).order_by(Order.id.desc()).limit(15)
        orders = session().scalars(query).all()
        recorders = [order.recorder for order in orders]
        movements = select(StockMovement).where(StockMovement.recorder.in_(recorders))
        postings = select(Posting).where(Posting.recorder.in_(recorders))
        return render_template(
            "orders.html",
            products=products(),
            orders=orders,
            movements=by_recorder(session().scalars(movements.order_by(StockMovement.id))),
            postings=by_recorder(session().scalars(postings.order_by(Posting.id))),
        )

    @app.get("/catalog")
    def catalog() -> str:
        in_stock = {
            row["product"]: row["quantity"]
            for row in AccumulatorClient(session()).use(STOCK).turnover(group_by="product")
        }
        return render_template("catalog.html", products=products(), in_stock=in_stock)

    def live() -> dict[str, Any]:
        return {
            "balances": session()
            .scalars(select(StockBalance).order_by(StockBalance.product, StockBalance.warehouse))
            .all(),
            "movements": session()
            .scalars(
                select(StockMovement)
                .order_by(StockMovement.recorded_at.desc(), StockMovement.id.desc())
                .limit(15)
            )
            .all(),
        }

    @app.get("/balances")
    def balances() -> str:
        return render_template("balances.html", **live())

    @app.get("/balances/rows")
    def balances_rows() -> str:
        return render_template("_live.html", **live())

    @app.get("/queries")
    def queries() -> str:
        first, last = range_of(request.args)
        product = product_of(request.args) if request.args.get("product") else products()[0]
        where = {"product": product.code}
        if request.args.get("warehouse"):
            where["warehouse"] = warehouse_of(request.args)
        stock = AccumulatorClient(session()).use(STOCK)
        days = stock.statement(first, last, "product", unit="day", fill=True, dimensions=where)
        return render_template(
            "queries.html",
            products=products(),
            product=product,
            first=first,
            last=last,
            balance=stock.balance(last, dimensions=where),
            turnover=stock.turnover(first, last, "warehouse", dimensions=where),
            months=stock.statement(
                first, last, "product", unit="month", fill=True, dimensions=where
            ),
            sales=AccumulatorClient(session())
            .use(SALES)
            .turnover(first, last, "customer", product=product.code),
            chart=chart([(day["unit_start"], day["quantity_closing"]) for day in days]),
        )

    @app.get("/books")
    def books() -> str:
        first, last = range_of(request.args)
        account = account_of(request.args)
        ledger = AccumulatorClient(session()).use(BOOKS)
        return render_template(
            "books.html",
            accounts=ACCOUNTS,
            account=account,
            customers=shop.customers(session()),
            first=first,
            last=last,
            trial_balance=ledger.trial_balance(first, last),
            statement=ledger.account_statement(account, first, last)[-15:],
            balanced=ledger.debits_equal_credits(),
        )

    @app.get("/registers")
    def registers() -> str:
        client = AccumulatorClient(session())
        found = client.registers().values()
        return render_template(
            "registers.html",
            registers=[
                {
                    "definition": register,
                    "info": client.register_info(register),
                    "stats": client.use(register).stats(),
                    "findings": client.use(register).verify() if "verify" in request.args else None,
                }
                for register in found
            ],
        )

    @app.get("/code")
    def code() -> str:
        examples: list[tuple[str, Callable[..., Any]]] = [
            ("Post a document", shop.post_document),
            ("Correct it, whenever it was", shop.correct_document),
            ("Cancel it", shop.cancel_document),
            ("An order and its movements, in one transaction", shop.place_order),
            ("Cancel the order", shop.cancel_order),
            ("A posting to the ledger", shop.receive_payment),
        ]
        source = inspect.getsource(shop)
        definition = source[source.index("STOCK = ") : source.index("ACCOUNTS = ")].strip()
        return render_template(
            "code.html",
            examples=[
                ("Define registers", definition),
                *((title, inspect.getsource(function)) for title, function in examples),
            ],
        )


def add_actions(app: Flask, done: Callable[[str, str], ResponseReturnValue]) -> None:
    @app.post("/operations")
    def operations_post() -> ResponseReturnValue:
        form = request.form
        kind = "shipment" if form.get("kind") == "shipment" else "delivery"
        recorder = shop.post_document(
            session(),
            kind,
            day_of(form, "period"),
            warehouse_of(form),
            product_of(form),
            quantity_of(form),
            form.get("note") or None,
        )
        return done(f"Posted {recorder}.", "operations")

    @app.post("/operations/correct")
    def operations_correct() -> ResponseReturnValue:
        recorder = name_of_document(request.form)
        shop.correct_document(session(), recorder, quantity_of(request.form))
        return done(f"Corrected {recorder}.", "operations")

    @app.post("/operations/cancel")
    def operations_cancel() -> ResponseReturnValue:
        recorder = name_of_document(request.form)
        shop.cancel_document(session(), recorder)
        return done(f"Cancelled {recorder}.", "operations")

    @app.post("/orders")
    def orders_post() -> ResponseReturnValue:
        form = request.form
        customer = customer_of(form)
        lines = [
            (
                warehouse_of(form, f"warehouse{line}"),
                product_of(form, f"product{line}"),
                quantity_of(form, f"quantity{line}"),
            )
            for line in ("1", "2")
            if form.get(f"quantity{line}")
        ]
        if not lines:
            raise InputError("An order needs a line.")
        order = shop.place_order(session(), customer, day_of(form, "placed_on"), lines)
        return done(f"Placed {order.recorder}.", "orders")

    @app.post("/books")
    def books_post() -> ResponseReturnValue:
        form = request.form
        recorder = shop.receive_payment(
            session(), customer_of(form), day_of(form, "period"), amount_of(form)
        )
        return done(f"Posted {recorder}.", "books")

    @app.post("/orders/<int:number>/cancel")
    def orders_cancel(number: int) -> ResponseReturnValue:
        order = session().get(Order, number)
        if order is None:
            raise InputError("There is no such order.")
        shop.cancel_order(session(), order)
        return done(f"Cancelled {order.recorder}.", "orders")


def main() -> None:
    engine = create_engine(sys.argv[1], pool_pre_ping=True)
    port = int(sys.argv[2]) if len(sys.argv) > 2 else 8080
    if not AccumulatorClient(engine).registers():
        with Session(engine) as fresh:
            shop.create(fresh, date.today())
    create_app(engine).run("127.0.0.1", port)


if __name__ == "__main__":
    main()
