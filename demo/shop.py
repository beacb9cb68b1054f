"""A shop whose stock and sales are registers.

Its catalog and its orders are ordinary classes of the ORM.  What is in stock is
what the movements of documents add up to; an order and its movements are one
transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from sqlalchemy import ForeignKey, Numeric, Text, cast, func, select
from sqlalchemy import Sequence as SqlSequence
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship
from sqlalchemy_accumulator import (
    AccumulatorClient,
    Dimension,
    Limit,
    account_model,
    balance_model,
    define_register,
    movement_model,
)

WAREHOUSES = ("harbour", "station")

STOCK = define_register(
    name="stock",
    dimensions={
        "warehouse": Dimension("text", required=True),
        "product": Dimension("text", required=True),
    },
    resources={"quantity": "bigint", "amount": "numeric(14,2)"},
    attributes={"note": "text"},
    limits=[Limit("never_below_zero", "quantity >= 0", every_date=True)],
)

SALES = define_register(
    name="sales",
    kind="turnover",
    dimensions={"customer": "text", "product": "text"},
    resources={"quantity": "bigint", "revenue": "numeric(14,2)"},
)

BOOKS = define_register(
    name="books",
    kind="ledger",
    dimensions={},
    resources={"amount": "numeric(14,2)"},
    chart="strict",
)
ACCOUNTS = {
    "41": ("Goods", "active"),
    "51": ("Bank", "active"),
    "60": ("Suppliers", "passive"),
    "62": ("Customers", "active_passive"),
    "90": ("Sales", "active_passive"),
    "90.01": ("Revenue", "passive"),
    "90.02": ("Cost of sales", "active"),
    "94": ("Shrinkage", "active"),
}


class UnknownDocumentError(Exception):
    """There is no such document, or it is not one that can be corrected like this."""


class Base(DeclarativeBase):
    pass


document_numbers = SqlSequence("document_numbers", metadata=Base.metadata)


class Product(Base):
    __tablename__ = "products"

    code: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    cost: Mapped[Decimal] = mapped_column(Numeric(10, 2))
    price: Mapped[Decimal] = mapped_column(Numeric(10, 2))


class Order(Base):
    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    customer: Mapped[str]
    placed_on: Mapped[date]
    cancelled: Mapped[bool] = mapped_column(default=False)
    lines: Mapped[list[OrderLine]] = relationship(order_by="OrderLine.id")

    @property
    def recorder(self) -> str:
        return f"order:{self.id}"

    @property
    def total(self) -> Decimal:
        return sum((line.quantity * line.price for line in self.lines), Decimal(0))


class OrderLine(Base):
    __tablename__ = "order_lines"

    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"))
    warehouse: Mapped[str]
    product_code: Mapped[str] = mapped_column(ForeignKey("products.code"))
    quantity: Mapped[int]
    price: Mapped[Decimal] = mapped_column(Numeric(10, 2))
    product: Mapped[Product] = relationship()


StockBalance: Any = balance_model(Base, STOCK)
StockMovement: Any = movement_model(Base, STOCK)
Posting: Any = movement_model(Base, BOOKS)
Account: Any = account_model(Base, BOOKS)


def posting_of_goods(amount: Decimal) -> dict[str, Any]:
    """What the books say of goods that come from a supplier, or go without an order."""
    if amount > 0:
        return {"account_dr": "41", "account_cr": "60", "amount": amount}
    return {"account_dr": "94", "account_cr": "41", "amount": -amount}


def post_document(
    session: Session,
    kind: str,
    period: date,
    warehouse: str,
    product: Product,
    quantity: int,
    note: str | None = None,
) -> str:
    """A delivery or a shipment; returns the name of the document."""
    recorder = f"{kind}:{session.scalar(document_numbers)}"
    document = {"recorder": recorder, "period": period}
    signed = quantity if kind == "delivery" else -quantity
    amount = signed * product.cost
    client = AccumulatorClient(session)
    client.use(STOCK).post(
        {
            **document,
            "warehouse": warehouse,
            "product": product.code,
            "quantity": signed,
            "amount": amount,
            "note": note,
        }
    )
    client.use(BOOKS).post({**document, **posting_of_goods(amount)})
    return recorder


def correct_document(session: Session, recorder: str, quantity: int) -> None:
    """Give a document of one movement another quantity, whenever it was."""
    client = AccumulatorClient(session)
    movements = client.use(STOCK).movements(recorder)
    if len(movements) != 1:
        raise UnknownDocumentError(recorder)
    (movement,) = movements
    product = session.get_one(Product, movement["product"])
    signed = quantity if movement["quantity"] > 0 else -quantity
    amount = signed * product.cost
    kept = {key: movement[key] for key in ("period", "warehouse", "product", "note")}
    client.use(STOCK).repost(recorder, {**kept, "quantity": signed, "amount": amount})
    client.use(BOOKS).repost(recorder, {"period": kept["period"], **posting_of_goods(amount)})


def cancel_document(session: Session, recorder: str) -> None:
    client = AccumulatorClient(session)
    if client.use(STOCK).unpost(recorder) == 0:
        raise UnknownDocumentError(recorder)
    client.use(BOOKS).unpost(recorder)


def place_order(
    session: Session,
    customer: str,
    placed_on: date,
    lines: Sequence[tuple[str, Product, int]],
) -> Order:
    """An order, its lines, what leaves the warehouses and what is sold: all of it or nothing."""
    order = Order(
        customer=customer,
        placed_on=placed_on,
        lines=[
            OrderLine(warehouse=warehouse, product=product, quantity=quantity, price=product.price)
            for warehouse, product, quantity in lines
        ],
    )
    session.add(order)
    session.flush()
    document = {"recorder": order.recorder, "period": placed_on}
    client = AccumulatorClient(session)
    client.use(STOCK).post(
        {
            **document,
            "warehouse": line.warehouse,
            "product": line.product.code,
            "quantity": -line.quantity,
            "amount": -line.quantity * line.product.cost,
        }
        for line in order.lines
    )
    client.use(SALES).post(
        {
            **document,
            "customer": customer,
            "product": line.product.code,
            "quantity": line.quantity,
            "revenue": line.quantity * line.price,
        }
        for line in order.lines
    )
    cost = sum((line.quantity * line.product.cost for line in order.lines), Decimal(0))
    revenue = {"account_dr": "62", "subconto_dr": {"customer": customer}, "account_cr": "90.01"}
    client.use(BOOKS).post(
        [
            {**document, **revenue, "amount": order.total},
            {**document, "account_dr": "90.02", "account_cr": "41", "amount": cost},
        ]
    )
    return order


def cancel_order(session: Session, order: Order) -> None:
    order.cancelled = True
    client = AccumulatorClient(session)
    for register in (STOCK, SALES):
        client.use(register).unpost(order.recorder)
    client.use(BOOKS).unpost(order.recorder)


def receive_payment(session: Session, customer: str, period: date, amount: Decimal) -> str:
    """What a customer pays, whether it is owed already or not."""
    recorder = f"payment:{session.scalar(document_numbers)}"
    AccumulatorClient(session).use(BOOKS).post(
        {
            "recorder": recorder,
            "period": period,
            "account_dr": "51",
            "account_cr": "62",
            "subconto_cr": {"customer": customer},
            "amount": amount,
        }
    )
    return recorder


def customers(session: Session) -> list[str]:
    """Everybody who has ever ordered or paid."""
    cells = AccumulatorClient(session).use(BOOKS).balances()
    return sorted(cell["subconto"]["customer"] for cell in cells if cell["account"] == "62")


def recent_documents(session: Session, limit: int = 12) -> list[Any]:
    """Documents that the page may correct and cancel, the latest first."""
    # Ids are ordered by time; there is no max() of uuid.
    last = func.max(cast(StockMovement.id, Text))
    query = (
        select(
            StockMovement.recorder,
            func.max(StockMovement.period).label("period"),
            func.max(StockMovement.warehouse).label("warehouse"),
            func.max(StockMovement.product).label("product"),
            func.sum(StockMovement.quantity).label("quantity"),
            func.max(StockMovement.note).label("note"),
        )
        .where(StockMovement.recorder.not_like("order:%"))
        .group_by(StockMovement.recorder)
        .order_by(last.desc())
        .limit(limit)
    )
    return list(session.execute(query))


def create(session: Session, today: date) -> None:
    """The tables and registers of the shop, and the story of its last four months."""
    Base.metadata.create_all(session.connection())
    client = AccumulatorClient(session)
    client.create_register(STOCK)
    client.create_register(SALES)
    client.create_register(BOOKS)
    session.add_all(
        Account(account=account, name=name, type=type_)
        for account, (name, type_) in ACCOUNTS.items()
    )
    products = [
        Product(code=code, name=name, cost=Decimal(cost), price=Decimal(price))
        for code, name, cost, price in [
            ("espresso", "Espresso beans, 1 kg", "9.20", "18.90"),
            ("filter", "Filter coffee beans, 1 kg", "8.40", "16.50"),
            ("kettle", "Gooseneck kettle", "24.00", "49.00"),
            ("grinder", "Hand grinder", "31.50", "64.00"),
            ("papers", "Paper filters, 100", "1.10", "3.20"),
        ]
    ]
    session.add_all(products)
    session.flush()

    random = Random(7)
    names = ("Café Aurora", "Bistro Linden", "Hotel Krone")
    start = today - timedelta(days=120)
    for day in (start + timedelta(days=number) for number in range(120)):
        if (day - start).days % 30 == 0:
            for warehouse in WAREHOUSES:
                for product in products:
                    quantity = random.randint(35, 50) if day == start else random.randint(12, 28)
                    post_document(session, "delivery", day, warehouse, product, quantity)
        elif random.random() < 0.5:
            lines = [
                (random.choice(WAREHOUSES), product, random.randint(1, 9))
                for product in random.sample(products, 2)
            ]
            place_order(session, random.choice(names), day, lines)
    books = client.use(BOOKS)
    for name in names:
        owed = books.balance("62", {"customer": name})["amount"].balance
        receive_payment(session, name, today - timedelta(days=3), (owed * 3 / 4).quantize(owed))
    session.commit()
