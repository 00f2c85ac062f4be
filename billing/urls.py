"""Doors for programs. People use the back office."""

from django.urls import path

from billing import api

urlpatterns = [
    path("api/bills/", api.BillsView.as_view(), name="api_bills"),
    path("api/bills/<int:bill_id>/", api.BillView.as_view(), name="api_bill"),
    path("api/bills/<int:bill_id>/complete/", api.CompleteView.as_view(), name="api_complete"),
    path("api/bills/<int:bill_id>/reopen/", api.ReopenView.as_view(), name="api_reopen"),
    path("api/bills/<int:bill_id>/load/", api.LoadView.as_view(), name="api_load"),
    path("api/bills/<int:bill_id>/unload/", api.UnloadView.as_view(), name="api_unload"),
    path("api/bills/<int:bill_id>/pdf/", api.BillPdfView.as_view(), name="api_bill_pdf"),
    path("api/bills/<int:bill_id>/state/", api.BillStateView.as_view(), name="api_bill_state"),
    path("api/bills/<int:bill_id>/lines/", api.LinesView.as_view(), name="api_lines"),
    path("api/returns/", api.TicketsView.as_view(), name="api_tickets"),
    path("api/returns/<int:ticket_id>/close/", api.CloseView.as_view(), name="api_close"),
    path("api/returns/<int:ticket_id>/cancel/", api.CancelView.as_view(), name="api_cancel"),
    path("api/returns/<int:ticket_id>/return/", api.ReturnView.as_view(), name="api_return"),
    path(
        "api/returns/<int:ticket_id>/take-back/", api.TakeBackView.as_view(), name="api_take_back"
    ),
    path(
        "api/returns/<int:ticket_id>/state/", api.TicketStateView.as_view(), name="api_ticket_state"
    ),
    path("api/returns/<int:ticket_id>/lines/", api.ReturnLinesView.as_view(), name="api_returns"),
]
