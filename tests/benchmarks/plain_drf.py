"""The peer of the meter value benchmark: what one writes first with Django REST framework.

A serializer with `many=True`, `bulk_create` that ignores what is there, no token, no idempotency key. The same table,
the same web server (see `plain_settings`).
"""

from django.urls import path
from django.utils.timezone import now
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from assets.models import Asset, MeterInterval


class ValueSerializer(serializers.Serializer):
    asset = serializers.CharField(max_length=64)
    starts_at = serializers.DateTimeField()
    import_wh = serializers.IntegerField(min_value=0)
    export_wh = serializers.IntegerField(min_value=0, default=0)
    quality = serializers.ChoiceField(MeterInterval.Quality.choices, default="measured")
    revision = serializers.IntegerField(min_value=0, default=0)


class BodySerializer(serializers.Serializer):
    values = ValueSerializer(many=True)


class ValuesView(APIView):
    permission_classes = ()

    def post(self, request: Request) -> Response:
        body = BodySerializer(data=request.data)
        body.is_valid(raise_exception=True)
        ids = dict(Asset.objects.values_list("external_id", "id"))
        known_at = now()
        rows = [
            MeterInterval(asset_id=ids[row.pop("asset")], known_at=known_at, **row)
            for row in body.validated_data["values"]
        ]
        MeterInterval.objects.bulk_create(rows, ignore_conflicts=True)
        return Response({"stored": len(rows)})


urlpatterns = [path("values", ValuesView.as_view())]
