"""The page on which somebody allows an application to read their posts. Plain HTML: no scripts."""

from collections.abc import Mapping
from html import escape

from platforms.sandbox import words
from platforms.sandbox.wire import HTML_TYPE, Reply

NAMES = {"youtube": "Google", "x": "X", "tiktok": "TikTok", "instagram": "Instagram", "facebook": "Facebook"}
OFFERED = 10
STYLE = (
    "body{font:1rem/1.5 system-ui,sans-serif;max-width:26rem;margin:0 auto;padding:1.5rem 1rem;color:#1b1b1f}"
    "h1{font-size:1.25rem}label{display:block;margin:1rem 0 .25rem}"
    "input,select,button{font:inherit;width:100%;box-sizing:border-box;padding:.6rem;min-height:2.75rem}"
    "button{margin-top:1rem}.allow{background:#1b1b1f;color:#fff;border:0;border-radius:.4rem}"
    ".deny{background:#fff;border:1px solid #767680;border-radius:.4rem}"
    ".wrong{border-left:.25rem solid #b3261e;padding-left:.75rem}small{color:#54545c}"
)
HEAD = """\
<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>{style}</style></head>
<body>
<h1>{title}</h1>
"""
FORM = """\
<form method="post" action="{action}">
{hidden}
<label for="handle">Your handle</label>
<input id="handle" name="handle" value="{handle}" autocomplete="off" autocapitalize="none">
<label for="pick">or one of these accounts</label>
<select id="pick" name="pick"><option value="">the handle above</option>{options}</select>
<button class="allow" name="decision" value="allow">Allow</button>
<button class="deny" name="decision" value="deny">Deny</button>
</form>
"""
FOOT = "<p><small>This is the sandbox: no real account is touched.</small></p>\n</body>\n</html>\n"


def page(
    platform: str, action: str, params: Mapping[str, str], *, client: str = "", complaint: str = "", status: int = 200
) -> Reply:
    """Without a client, only the complaint: there is nothing to allow."""
    title = f"{client} wants to read your videos and their figures" if client else f"{NAMES[platform]} sandbox"
    parts = [HEAD.format(title=escape(title), style=STYLE)]
    if complaint:
        parts.append(f'<p class="wrong" role="alert">{escape(complaint)}</p>\n')
    if client:
        parts.append(_form(platform, action, params))
    return Reply(status, "".join([*parts, FOOT]).encode(), content_type=HTML_TYPE)


def _form(platform: str, action: str, params: Mapping[str, str]) -> str:
    """Everything that the application said goes along in hidden fields."""
    said = {name: value for name, value in params.items() if name not in ("handle", "pick", "decision")}
    handles = [words.handle(platform, author) for author in range(OFFERED)]
    return FORM.format(
        action=escape(action),
        hidden="\n".join(
            f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">' for name, value in said.items()
        ),
        handle=escape(params.get("handle") or handles[0]),
        options="".join(f"<option>{escape(handle)}</option>" for handle in handles),
    )
