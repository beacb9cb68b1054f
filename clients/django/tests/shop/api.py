"""Balances and movements for Django REST Framework, to be read only."""

# Its classes take arguments in its stubs only, and not when they run.
# mypy: disable-error-code="type-arg"

from __future__ import annotations

from django.db.models import QuerySet
from rest_framework import serializers, viewsets
from rest_framework.routers import SimpleRouter

from .models import StockBalance, StockMovement


class StockBalanceSerializer(serializers.ModelSerializer):
    # A number of 64 bits, which JavaScript would round.
    dim_hash = serializers.CharField()

    class Meta:
        model = StockBalance
        fields = ["dim_hash", "warehouse", "product", "quantity", "amount"]


class StockBalanceViewSet(viewsets.ReadOnlyModelViewSet):
    """Current balances, of one product with ?product=."""

    serializer_class = StockBalanceSerializer

    def get_queryset(self) -> QuerySet[StockBalance]:
        balances = StockBalance.objects.order_by("warehouse", "product")
        if "product" in self.request.query_params:
            balances = balances.filter(product=self.request.query_params["product"])
        return balances


class StockMovementSerializer(serializers.ModelSerializer):
    class Meta:
        model = StockMovement
        fields = "__all__"


class StockMovementViewSet(viewsets.ReadOnlyModelViewSet):
    queryset = StockMovement.objects.order_by("period", "id")
    serializer_class = StockMovementSerializer


router = SimpleRouter()
router.register("balances", StockBalanceViewSet, basename="balance")
router.register("movements", StockMovementViewSet)
urlpatterns = router.urls
