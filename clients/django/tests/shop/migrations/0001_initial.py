from django.contrib.postgres.operations import CreateExtension
from django.db import migrations, models

from django_accumulator.operations import CreateRegister


class Migration(migrations.Migration):
    initial = True
    operations = [
        CreateExtension("pg_accumulator"),
        CreateRegister(
            "inventory",
            dimensions={"warehouse": {"type": "text", "required": True}, "product": "text"},
            resources={"quantity": "bigint", "amount": "numeric(14,2)"},
            attributes={"note": "text"},
            time_zone="Europe/Berlin",
            limits=[{"name": "in_stock", "check": "quantity >= 0"}],
        ),
        migrations.CreateModel(
            "Order", [("number", models.CharField(max_length=20, primary_key=True))]
        ),
    ]
