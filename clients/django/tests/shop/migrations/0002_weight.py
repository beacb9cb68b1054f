from django.db import migrations

from django_accumulator.operations import AlterRegister


class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [AlterRegister("inventory", add_resources={"weight": "numeric(10,3)"})]
