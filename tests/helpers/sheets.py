"""XLSX files as small as they may be, for tests that damage them."""

import io
import zipfile

SPACE = "http://schemas.openxmlformats.org"


def put(tmp_path, data, name="a.csv"):
    path = tmp_path / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def container(members, **options):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, **options) as made:
        for name, data in members.items():
            made.writestr(name, data)
    return file.getvalue()


def rows_of(lines):
    """The XML of rows of numbers and texts, from row 1 on."""
    cells = [
        [
            f'<c r="{chr(65 + j)}{i}"><v>{v}</v></c>' if isinstance(v, int | float) else inline(v, f"{chr(65 + j)}{i}")
            for j, v in enumerate(line)
        ]
        for i, line in enumerate(lines, 1)
    ]
    return [f'<row r="{i}">{"".join(row)}</row>' for i, row in enumerate(cells, 1)]


def inline(text, place):
    return f'<c r="{place}" t="inlineStr"><is><t>{text}</t></is></c>'


def workbook(rows, dimension="A1:B37", **parts):
    """An XLSX file with one sheet, as small as it may be."""
    kinds = {"worksheet": "worksheets/sheet1.xml"} | ({"sharedStrings": "strings.xml"} if "strings" in parts else {})
    kinds |= {"styles": "styles.xml"} if "styles" in parts else {}
    related = "".join(
        f'<Relationship Id="r{k}" Type="{SPACE}/officeDocument/2006/relationships/{kind}" Target="{target}"/>'
        for k, (kind, target) in enumerate(kinds.items())
    )
    sheet = f'<worksheet><dimension ref="{dimension}"/><sheetData>{"".join(rows)}</sheetData></worksheet>'
    members = {
        "xl/workbook.xml": '<workbook xmlns:r="x"><sheets><sheet name="one" r:id="r0"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f"<Relationships>{related}</Relationships>",
        "xl/worksheets/sheet1.xml": parts.get("before", "") + sheet,
    }
    return container(members | {f"xl/{name}.xml": text for name, text in parts.items() if name != "before"})


NUMBERS = [[float(k), 100.0 - k] for k in range(36)]
ROWS = rows_of([["a", "b"], *NUMBERS])


def numbers(table):
    return [[float(x) for x in row] for row in zip(*table.columns.values(), strict=True)]
