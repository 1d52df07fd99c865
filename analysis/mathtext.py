"""LaTeX between dollars → HTML, as far as the steps of `theory` use it: letters, relations, sub- and superscripts.
No library and no script: what a page without a network can show."""

import html
import re

SYMBOLS = {
    "alpha": "α",
    "eta": "η",
    "theta": "θ",
    "rho": "ρ",
    "lambda": "λ",
    "pi": "π",
    "psi": "ψ",
    "varphi": "φ",
    "partial": "∂",
    "infty": "∞",
    "sum": "Σ",
    "in": " ∈ ",
    "cdot": "·",
    "pm": "±",
    "dots": "…",
    "ge": " ≥ ",
    "le": " ≤ ",
    "ne": " ≠ ",
    "to": " → ",
    "|": "‖",
    ",": " ",
}
"""Other commands are names of functions (\\cos), set as they stand."""

SETS = {"R": "ℝ", "N": "ℕ", "Z": "ℤ", "Q": "ℚ"}


def to_html(text: str) -> str:
    """A text with LaTeX between dollars as escaped HTML; what stands between two pairs of stars is strong."""
    parts = text.split("$")
    found = "".join(_formula(part) if index % 2 else html.escape(part, quote=False) for index, part in enumerate(parts))
    return re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", found)


def _formula(latex: str) -> str:
    text = re.sub(r"\\(?:mathbb|operatorname)\{?(\w+)\}?", lambda found: SETS.get(found[1], found[1]), latex)
    text = html.escape(text.replace("-", "−").replace("'", "′"), quote=False)
    text = re.sub(r"\\frac(\w)(\w)", r"\1/\2", text)
    while (again := re.sub(r"\\frac\{([^{}]*)\}\{([^{}]*)\}", r"(\1)/(\2)", text)) != text:
        text = again
    text = re.sub(r"\\sqrt\{([^{}]*)\}", r"√(\1)", text)
    text = re.sub(r"\\sqrt\s*", "√", text)
    text = re.sub(r"\\(sin|cos|tan|cot|log|min|arccos)(?=[\w\\])", r"\\\1 ", text)
    text = re.sub(r"\\bar\\([a-zA-Z]+)", lambda found: f"{SYMBOLS[found[1]]}\u0304", text)
    text = re.sub(r"\\([a-zA-Z]+|.)", lambda found: SYMBOLS.get(found[1], found[1]), text)
    while (again := re.sub(r"([_^])\{([^{}]*)\}", _script, text)) != text:
        text = again
    text = re.sub(r"([_^])(−?\w)", _script, text)
    text = re.sub(r"\s+", " ", text.replace("{", "").replace("}", "")).strip()
    return f'<span class="formula">{text}</span>'


def _script(found: "re.Match[str]") -> str:
    tag = "sub" if found[1] == "_" else "sup"
    return f"<{tag}>{found[2]}</{tag}>"
