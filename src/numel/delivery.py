"""Where a report goes: the terminal, a file, a figure, or a folder with a document and its figures."""

from __future__ import annotations

import errno
import os
import sys
from io import StringIO

from .core.records import NamedTuple
from .core.report import charts
from .errors import Sentence, UsageError, reason
from .registry import find
from .views import VIEWS
from .views.options import ViewOptions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

    from .core.report import Report


class Delivery(NamedTuple):
    """How a report is wanted. `output`: a file, or for a document a folder; `save`: a figure's file.

    `view`: None is what the name of `output` ends in, or else the terminal's.
    """

    view: str | None = None
    output: str | None = None
    save: str | None = None
    lang: str = "en"
    color: bool | None = None
    width: int | None = None


_VIEW_OF = {".json": "json", ".csv": "csv", ".md": "markdown", ".markdown": "markdown", ".html": "html", ".htm": "html"}
_PICTURES = (".png", ".svg", ".pdf")


def deliver(report: Report, wanted: Delivery) -> None:
    """Write the report as wanted. Raises UsageError when a file cannot be written or there is no figure to draw."""
    view = wanted.view or _view_of(wanted.output)
    failed = None
    if wanted.save is not None:
        try:
            _save_figure(report, wanted.save, wanted.lang)
        except UsageError as error:
            if wanted.output is None and view == "json":
                raise  # stdout takes one object
            failed = error  # said last: what took hours to count is not lost with its figure
    if wanted.output is not None and report.command == "study" and not os.path.splitext(wanted.output)[1]:
        write_document(report, wanted.output, wanted.lang)
    elif wanted.output is not None:
        from .views.files import write_whole

        options = ViewOptions(lang=wanted.lang, width=wanted.width, color=False)
        out = StringIO()
        find(VIEWS, view, kind="view")(report, out, options)
        write_whole(wanted.output, out.getvalue().encode())
    elif (
        wanted.save is None or failed is not None or view != "terminal"
    ):  # a figure alone, unless another form was asked for too
        options = ViewOptions(lang=wanted.lang, width=wanted.width, color=wanted.color)
        find(VIEWS, view, kind="view")(report, _standard_output(), options)
    if failed is not None:
        raise failed


def _standard_output() -> TextIO:
    """Where the answer goes. Raises OSError where whoever started the program closed it (`numel gpt2 >&-`)."""
    if sys.stdout is None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    return sys.stdout


def _view_of(output: str | None) -> str:
    """The view that a file's name asks for. Raises UsageError for a picture's name."""
    suffix = os.path.splitext(output)[1].lower() if output else ""
    if suffix in _PICTURES:
        message = Sentence("-o writes the answer, and {suffix} is a figure's", suffix=suffix)
        raise UsageError(message, path=output, hint=Sentence("--save FILE draws the figure"))
    return _VIEW_OF.get(suffix, "terminal")


def _save_figure(report: Report, path: str, lang: str) -> None:
    if not charts(report):
        message = Sentence("numel {command} has no figure with these options", command=report.command)
        raise UsageError(
            message,
            hint=Sentence("numel MODEL, values, norms of a model with weights, diff, cost, scaling and study draw one"),
        )
    from .views.figure import save

    save(report, path, lang)


def write_document(report: Report, folder: str, lang: str) -> None:
    """The report as a Markdown and an HTML document in `folder`, its figures beside them as SVG and PNG.

    Everything is drawn before the first file is written, so that an error leaves nothing half done.
    """
    from .views.figure import rendered
    from .views.files import write_whole

    figures = {chart.key: f"{chart.key}.svg" for chart in charts(report)}
    files: dict[str, str | bytes] = {}
    for chart in charts(report):
        for suffix in ("svg", "png"):
            files[f"{chart.key}.{suffix}"] = rendered(chart, suffix, lang)
    for view, name in (("markdown", "study.md"), ("html", "study.html")):
        out = StringIO()
        find(VIEWS, view, kind="view")(report, out, ViewOptions(lang=lang, figures=figures))
        files[name] = out.getvalue()
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        message = Sentence("cannot make the folder: {why}", why=reason(error))
        raise UsageError(message, path=folder, hint=Sentence("choose another place with -o")) from error
    for name, content in files.items():
        write_whole(os.path.join(folder, name), content.encode() if isinstance(content, str) else content)
