"""GET /api/stats: the one row of `statistics_cache`."""

from django.forms.models import model_to_dict
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from monitoring.models import Statistics


class StatsView(APIView):
    permissions = {"GET": "monitoring.view_statistics"}

    def get(self, request: Request) -> Response:
        row = model_to_dict(Statistics.objects.get())
        del row["id"]
        return Response(row)
