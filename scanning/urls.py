from django.urls import path

from scanning import api, batch, boards, inbox, setup, views

urlpatterns = [
    path("scan/", views.station, name="station"),
    path("scan/worker.js", views.worker, name="worker"),
    path("scan/setup/", setup.setup, name="scanner_setup"),
    path("scan/commands/", setup.commands, name="scanner_commands"),
    path("scan/codes/<slug:name>.svg", setup.code_image, name="scanner_code"),
    path("stations/", boards.board, name="board"),
    path("stations/live/", boards.board_live, name="board_live"),
    path("exceptions/", inbox.inbox, name="exceptions"),
    path("exceptions/<int:exception_id>/", inbox.resolve, name="resolve_exception"),
    path("api/scans/", api.ScanView.as_view(), name="api_scans"),
    path("api/scans/undo/", api.UndoView.as_view(), name="api_undo"),
    path("api/scans/move/", api.MoveView.as_view(), name="api_move"),
    path("api/scans/finish/", api.FinishView.as_view(), name="api_finish"),
    path("api/scans/batch", batch.BatchView.as_view(), name="api_batch"),
    path("api/exceptions/", api.ExceptionsView.as_view(), name="api_exceptions"),
    path(
        "api/exceptions/<int:exception_id>/resolve", api.ResolveView.as_view(), name="api_resolve"
    ),
]
