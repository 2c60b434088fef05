"""The addresses of the partners' interface."""

from django.urls import path

from assets.cpo_api import views

urlpatterns = [
    path("assets", views.AssetsView.as_view()),
    path("assets/<path:external_id>", views.AssetView.as_view()),
    path("states", views.StatesView.as_view()),
    path("sessions", views.SessionsView.as_view()),
    path("meter-values", views.MeterValuesView.as_view()),
    path("readings", views.ReadingsView.as_view()),
    path("setpoints", views.SetpointsView.as_view()),
    path("setpoints/results", views.SetpointResultsView.as_view()),
]
