"""The addresses of the partners' interface."""

from django.urls import path, register_converter
from django.urls.converters import IntConverter

from assets.cpo_api import group_views, steering_views, views


class BigIdConverter(IntConverter):
    """A row's id: no more digits than the database can hold."""

    regex = "[0-9]{1,18}"


register_converter(BigIdConverter, "big")

urlpatterns = [
    path("assets", views.AssetsView.as_view()),
    path("assets/<path:external_id>", views.AssetView.as_view()),
    path("states", views.StatesView.as_view()),
    path("sessions", views.SessionsView.as_view()),
    path("meter-values", views.MeterValuesView.as_view()),
    path("readings", views.ReadingsView.as_view()),
    path("groups", group_views.GroupsView.as_view()),
    path("groups/<str:aggregation_ean>", group_views.GroupView.as_view()),
    path("groups/<str:aggregation_ean>/energy", group_views.GroupEnergyView.as_view()),
    path("setpoints", steering_views.SetpointsView.as_view()),
    path("setpoints/<big:setpoint_id>", steering_views.SetpointView.as_view()),
    path("setpoints/plan", steering_views.SetpointPlanView.as_view()),
    path("setpoints/results", steering_views.SetpointResultsView.as_view()),
    path("communication-tests", steering_views.CommunicationTestsView.as_view()),
    path("communication-tests/<big:test_id>", steering_views.CommunicationTestView.as_view()),
]
