"""Names of tensors that would harm a page that trusts them."""

SCRIPT = "</script><script>document.title='harmed'</script>"
ELEMENT = '"><img src=x onerror="document.title=\'harmed\'">'
STYLE = "</style></svg><svg onload=document.title='harmed'>"
COMMENT = "<!--<script>"
TEMPLATE = "{{ 7 * 7 }}${7*7}"

SIGNS = ("&lt;b&gt;&amp;", "' onfocus='", "\N{SNOWMAN} %s")
NAMES = (SCRIPT, ELEMENT, STYLE, COMMENT, TEMPLATE, *SIGNS)


class Renamer:
    """Gives tensors these names in turn, and afterwards their own."""

    def __init__(self) -> None:
        self._left = list(NAMES)

    def __call__(self, name: str) -> str:
        return self._left.pop(0) if self._left else name
