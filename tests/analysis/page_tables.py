"""The tables of a page as lists of texts, read by Python's own parser."""

from html.parser import HTMLParser


class PageTables(HTMLParser):
    """`tables`: id of the table → its rows, of cells: all text in them, words apart by one blank."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self._rows: list[list[str]] = []
        self._in_cell = False
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        if tag == "table":
            self._rows = []
            self.tables[dict(attributes).get("id") or ""] = self._rows
        elif tag == "tr":
            self._rows.append([])
        elif tag in ("td", "th"):
            self._rows[-1].append("")
            self._in_cell = True

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self._rows[-1][-1] = " ".join(self._rows[-1][-1].split())
            self._in_cell = False

    def handle_data(self, data):
        if self._in_cell:
            self._rows[-1][-1] += data
