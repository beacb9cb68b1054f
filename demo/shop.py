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
    signed = quantity if kind == "delivery" else -quantity
    AccumulatorClient(session).use(STOCK).post(
        {
            "recorder": recorder,
            "period": period,
            "warehouse": warehouse,
            "product": product.code,
            "quantity": signed,
            "amount": signed * product.cost,
            "note": note,
        }
    )
    return recorder


def correct_document(session: Session, recorder: str, quantity: int) -> None:
    """Give a document of one movement another quantity, whenever it was."""
    stock = AccumulatorClient(session).use(STOCK)
    movements = stock.movements(recorder)
    if len(movements) != 1:
        raise UnknownDocumentError(recorder)
    (movement,) = movements
    product = session.get_one(Product, movement["product"])
    signed = quantity if movement["quantity"] > 0 else -quantity
    corrected = {key: movement[key] for key in ("period", "warehouse", "product", "note")} | {
        "quantity": signed,
        "amount": signed * product.cost,
    }
    stock.repost(recorder, corrected)


def cancel_document(session: Session, recorder: str) -> None:
    if AccumulatorClient(session).use(STOCK).unpost(recorder) == 0:
        raise UnknownDocumentError(recorder)


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
    return order


def cancel_order(session: Session, order: Order) -> None:
    order.cancelled = True
    client = AccumulatorClient(session)
    client.use(STOCK).unpost(order.recorder)
    client.use(SALES).unpost(order.recorder)


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
    customers = ("Café Aurora", "Bistro Linden", "Hotel Krone")
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
            place_order(session, random.choice(customers), day, lines)
    session.commit()
