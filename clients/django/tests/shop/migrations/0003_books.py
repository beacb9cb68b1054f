from django.db import migrations

from django_accumulator.operations import CreateRegister


class Migration(migrations.Migration):
    dependencies = [("shop", "0002_weight")]
    operations = [
        CreateRegister(
            "gl",
            dimensions={"currency": "text"},
            resources={
                "amount": "numeric(18,2)",
                "pieces": {"type": "integer", "balanced": False},
            },
            kind="ledger",
            chart="strict",
        ),
        CreateRegister("deals", {"customer": "text"}, {"amount": "numeric"}, history=True),
    ]
