"""Figures as Markdown."""

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"

NAMES = {
    "int": "integers and branches", "crc": "CRC-32 by table, a byte", "sort": "heap sort, an element",
    "fp": "SSE2 double precision", "x87": "x87", "simd": "SSE2 integer vectors", "chase": "pointer chase over 32 MiB",
    "memcpy": "memcpy, a byte", "syscall": "system call", "fault": "page fault", "fork": "fork and wait",
    "exec": "vfork, exec and wait", "pipe": "pipe round trip of two processes", "file": "4 KiB written and read (tmpfs)",
    "smp": "contended atomic add", "smc": "rewritten code, called",
}


def figure(value):
    """Three digits that say something, and no more."""
    if value is None:
        return "–"
    if value >= 1000:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:#.3g}" if value < 100 else f"{value:.0f}"


def ratio(above, below):
    return "–" if above is None or not below else f"{above / below:.2f}"


def row(name, values, of="translator"):
    """A line of the table; ratios are of the engine that users get."""
    native, tcg, translator, interpreter = (values.get(engine) for engine in ("native", "tcg", "translator", "interpreter"))
    best = {"translator": translator, "interpreter": interpreter}[of]
    cells = [name, *map(figure, (native, tcg, translator, interpreter)), ratio(tcg, best), ratio(native, best)]
    return "| " + " | ".join(cells) + " |"


def header(title):
    return (f"| {title} | native | QEMU TCG | translator | interpreter | TCG / Strata | native / Strata |\n"
            "|---|--:|--:|--:|--:|--:|--:|")


def replace_between_marks(text, table, name="bench"):
    """The text with the generated part of that name exchanged."""
    first, last = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    before, begin, rest = text.partition(first)
    _, end, after = rest.partition(last)
    if not begin or not end:
        raise ValueError(f"no {first} … {last} in the file")
    return f"{before}{first}\n{table.strip()}\n{last}{after}"
