"""The primitives that carry regulatory meaning, one place for page, mail and PDF.

Load with `{% load countersign %}`. What each looks like in every state: /styleguide/.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from django import template
from django.forms import BaseForm, BoundField
from django.template.context import Context
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import slugify

from apps.analysis.method_words import method_words
from apps.core.clock import real_now
from apps.core.rulewords import rule_words
from apps.web import marks, times
from apps.web.asking import ask_link
from apps.web.scopes import duties_in_words

register = template.Library()
EMPTY = mark_safe("")
NONE = mark_safe('<span class="t2"><span aria-hidden="true">–</span><span class="vh">none</span></span>')


def _get(thing: Any, name: str, default: Any = "") -> Any:
    """A value from an object or a mapping: estimates and verdicts arrive as either."""
    found = thing.get(name, default) if isinstance(thing, dict) else getattr(thing, name, default)
    return default if found is None else found


# ---------------------------------------------------------------- icons and states


@register.simple_tag
def icon(name: str, css: str = "") -> SafeString:
    """An icon by name: a gate state (`met`, …) or a Lucide name. Decorative: put a word beside it."""
    return marks.icon(str(name), str(css))


@register.simple_tag
def state(value: Any, extra: Any = "", word: str = "") -> SafeString:
    """A gate state: `{% state check.state %}`, `{% state "not_met" "1 check" %}`."""
    return marks.render_mark(marks.mark_of(value, marks.CHECK_MARKS), str(word), str(extra or ""))


@register.simple_tag
def state_icon(value: Any) -> SafeString:
    """A gate state for narrow places: the icon, with its word for screen readers."""
    mark = marks.mark_of(value, marks.CHECK_MARKS)
    return format_html(
        '{}<span class="vh">{}</span>', marks.icon(mark.icon, f"st-icon-{mark.fill}"), mark.word
    )


def _record_state(thing: Any, table: dict[str, marks.Mark]) -> SafeString:
    code = _get(thing, "state", thing)
    label = getattr(thing, "get_state_display", None)
    return marks.render_mark(marks.mark_of(code, table), str(label()) if label else "")


@register.simple_tag
def version_state(version: Any) -> SafeString:
    """State of a version or any record with `state` (or the bare state): its own word, with icon and fill."""
    return _record_state(version, marks.RECORD_MARKS)


record_state = register.simple_tag(version_state, name="record_state")


@register.simple_tag
def job_state(job: Any) -> SafeString:
    """State of a core.Job (or the bare state)."""
    return _record_state(job, marks.JOB_MARKS)


# ---------------------------------------------------------------- times, people, digests, numbers


@register.simple_tag(takes_context=True)
def when(context: Context, moment: datetime | str | None, seconds: bool = False) -> SafeString:
    """A moment, or one as canonical content tells it, in UTC and in the reader's zone (context `time_zone`).

    Seconds in audit and signatures.
    """
    if moment is None or moment == "":
        return NONE
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    text = times.spoken(moment, context.get("time_zone"), seconds=bool(seconds))
    stamp = moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    utc, local = text[: text.index("UTC") + 3], text[text.index("UTC") + 3 :]
    if not local:
        return format_html('<time datetime="{}">{}</time>', stamp, utc)
    both = '<time datetime="{}"><span class="nowrap">{}</span> <span class="zone">{}</span></time>'
    return format_html(both, stamp, utc, local.strip())


@register.simple_tag(takes_context=True)
def now_when(context: Context) -> SafeString:
    """The moment the page was made, in UTC and in the reader's zone: for the foot of what is printed."""
    return when(context, real_now(), True)


@register.simple_tag
def day(value: date | None) -> SafeString:
    """A calendar date, `2026-11-19`."""
    if value is None or value == "":
        return NONE
    return format_html('<time datetime="{0}">{0}</time>', value.strftime("%Y-%m-%d"))


@register.simple_tag
def person(user: Any) -> SafeString:
    """Printed name and user name; a service is shown as a machine. Also takes a frozen name as text."""
    if user is None or user == "":
        return NONE
    if isinstance(user, str):
        return format_html("<span>{}</span>", user)
    name = _get(user, "printed_name") or str(user)
    username = _get(user, "username")
    machine = marks.icon("bot") + mark_safe(" ") if _get(user, "is_service", False) else EMPTY
    gone = EMPTY if _get(user, "is_active", True) else mark_safe(' <span class="t2">(deactivated)</span>')
    handle = format_html(' <span class="t2">@{}</span>', username) if username else EMPTY
    return format_html('<span class="person">{}{}{}{}</span>', machine, name, handle, gone)


def _groups(digest: str, size: int) -> tuple[str, str]:
    method, _, value = str(digest).rpartition(":")
    return method or "sha256", " ".join(value[at : at + size] for at in range(0, len(value), size))


@register.simple_tag
def digest_short(digest: str | None) -> SafeString:
    """The first twelve characters in groups; the whole value in the title and behind the copy button."""
    if not digest:
        return NONE
    method, text = _groups(digest, 4)
    return format_html(
        '<span><code class="hash" title="{}">{} {} …</code>'
        '<button type="button" class="btn-icon js-only noprint" data-copy="{}">{}'
        '<span class="vh">Copy digest {}</span></button></span>',
        digest,
        method,
        text[:14],
        digest,
        marks.icon("copy"),
        text[:14],
    )


@register.simple_tag
def digest_full(digest: str | None) -> SafeString:
    """The whole digest in groups of eight, with a copy button: for signing and for records."""
    if not digest:
        return NONE
    method, text = _groups(digest, 8)
    return format_html(
        '<code class="hash">{} {}</code> '
        '<button type="button" class="btn-icon js-only noprint" data-copy="{}">{}'
        '<span class="vh">Copy the digest</span></button>',
        method,
        text,
        digest,
        marks.icon("copy"),
    )


register.filter("method_words", method_words)


@register.filter
def number(value: Any, places: int = 3) -> str:
    """A figure with fixed places, of a number or its canonical text; other text unchanged, no minus before zero."""
    if value is None or value == "":
        return "–"
    try:
        return f"{float(value):z.{int(places)}f}"
    except (TypeError, ValueError):
        return str(value)


@register.simple_tag
def estimate(value: Any, places: int = 3) -> SafeString:
    """Value, 95 % interval and n of an estimate (object or mapping with value, low, high, n, reason)."""
    if value is None or value == "":
        return NONE
    count = _get(value, "n", None)
    size = format_html(', <span class="nowrap">n = {}</span>', count) if count is not None else EMPTY
    point = _get(value, "value", None)
    if point is None:
        return format_html('<span class="t2">{}{}</span>', _get(value, "reason") or "no value", size)
    low, high = _get(value, "low", None), _get(value, "high", None)
    between = EMPTY
    if low is not None and high is not None:
        # Breaks, where it must, before the figures: never inside them.
        spoken = ' (95\u00a0%\u00a0CI <span class="nowrap">{} to {})</span>'
        between = format_html(spoken, number(low, places), number(high, places))
    return format_html('<span class="num">{}{}{}</span>', number(point, places), between, size)


# ---------------------------------------------------------------- refusals, buttons, signatures


def refusal_lines(verdict: Any) -> list[tuple[str, str]]:
    """The four parts of a refusal that are filled, as (part, sentence): what, fact, rule, who."""
    rule, who = _get(verdict, "rule"), _get(verdict, "who", ())
    if isinstance(who, str):
        who = [who]
    lines = [
        ("what", str(_get(verdict, "what"))),
        ("fact", str(_get(verdict, "fact"))),
        ("rule", rule_words(str(rule))),
        ("who", f"Who may: {', '.join(map(str, who))}." if who else ""),
    ]
    return [(part, text) for part, text in lines if text]


@register.filter(name="rule_words")
def rule_in_words(rule: Any) -> str:
    """`{{ verdict.rule|rule_words }}`: the rule by name and sentence."""
    return rule_words(str(rule or ""))


@register.simple_tag(takes_context=True)
def who_can(context: Context, names: Any) -> SafeString:
    """`You and Per Lund can.`: nobody reads their own name as somebody else's. Nothing for no names."""
    request = context.get("request")
    own = getattr(getattr(request, "user", None), "printed_name", None)
    others = [str(name) for name in names or () if str(name) != own]
    told = [*(["you"] if own in (names or ()) else []), *others]
    if not told:
        return EMPTY
    listed = told[0] if len(told) == 1 else f"{', '.join(told[:-1])} and {told[-1]}"
    return format_html("{} can.", listed[:1].upper() + listed[1:])


@register.simple_tag
def why_not(verdict: Any, element_id: str = "", about: Any = None) -> SafeString:
    """The four parts of a refusal, always as visible text. Nothing for an allowed verdict.

    about: the record, where the verdict alone is known: with the way to ask somebody who may.
    """
    if verdict is None or _get(verdict, "allowed", False):
        return EMPTY
    lines = format_html_join("", '<p class="{}">{}</p>', refusal_lines(verdict))
    lines = lines + ask_control(verdict, about)
    named = format_html(' id="{}"', element_id) if element_id else EMPTY
    return format_html('<div class="why-not"{}>{}</div>', named, lines)


@register.simple_tag
def ask_control(refusal: Any, about: Any = None) -> SafeString:
    """“Ask A. Novak”, where somebody may do what was refused on `about`, or on what the refusal itself names."""
    asked: tuple[str, str, object] = getattr(refusal, "asked", None) or ("", "", 0)
    if about is not None and about != "":
        asked = (_get(refusal, "act"), getattr(about, "subject_kind", ""), getattr(about, "pk", None))
    address, words = ask_link(refusal, *asked) if asked[0] and asked[2] else ("", "")
    return format_html('<p><a class="btn btn-s" href="{}">{}</a></p>', address, words) if address else EMPTY


@register.simple_tag
def act_button(verdict: Any, url: str, label: str = "", style: str = "") -> SafeString:
    """The way to an act: a link to its page, or the same shape dashed and refused with its reason in text.

    `style` is "primary" or "danger". The reason is never only a tooltip; the refused one stays focusable.
    """
    text = label or str(_get(verdict, "label")) or "Open"
    kind = f" btn-{style}" if style in ("primary", "danger") else ""
    if _get(verdict, "allowed", False):
        return format_html('<a class="btn{}" href="{}">{}</a>', kind, url, text)
    name = "why-" + slugify(f"{_get(verdict, 'act')}-{url}".replace("/", "-").replace(".", "-"))
    reason = " ".join(line for _, line in refusal_lines(verdict))
    return format_html(
        '<div class="act"><span class="btn" role="link" aria-disabled="true" tabindex="0" '
        'aria-describedby="{0}">{1} {2}</span><p class="why" id="{0}">{3}</p></div>',
        name,
        marks.icon("ban"),
        text,
        reason,
    )


_FACTORS = {
    "password": "password",
    "username": "user name",
    "totp": "one-time code",
    "passkey": "passkey",
    "sso": "single sign-on",
}


def _factors(value: Any) -> str:
    names = value.keys() if isinstance(value, dict) else [value] if isinstance(value, str) else (value or [])
    return " and ".join(_FACTORS.get(str(name), str(name)) for name in names) or "not recorded"


@register.inclusion_tag("parts/signature.html", takes_context=True)
def signature(context: Context, sig: Any, valid: Any = True) -> dict[str, Any]:
    """The manifestation of one signature (21 CFR 11.50): name, time and meaning beside the record.

    `valid`: True, "valid", "out_of_date" or "unsigned" (False). Anything but valid is said in words.
    """
    code = {True: "valid", False: "unsigned"}.get(valid, str(valid))
    mark = marks.SIGNATURE_MARKS.get(code, marks.SIGNATURE_MARKS["unsigned"])
    duties = _get(sig, "duties")
    request = context.get("request")
    known = request.__dict__.setdefault("_scope_names", {}) if request else {}
    kept = duties if isinstance(duties, str) else "; ".join(map(str, duties))
    return {
        "sig": sig,
        "duties": duties_in_words(getattr(request, "user", None), kept, known),
        "factors": _factors(_get(sig, "factors", None)),
        "mark": marks.render_mark(mark),
        "void": code != "valid",
        "time_zone": context.get("time_zone"),
    }


# ---------------------------------------------------------------- forms


@register.inclusion_tag("parts/field.html")
def field(bound: BoundField, hint: str = "", bare: bool = False) -> dict[str, Any]:
    """Label, hint, error beside the field, control; the control is described by both.

    `bare` leaves "(optional)" out: for filters, where everything is.
    """
    widget = bound.field.widget
    grouped = bool(getattr(widget, "use_fieldset", False))
    hint = hint or str(bound.help_text or "")
    described = [f"{bound.auto_id}-hint"] if hint else []
    described += [f"{bound.auto_id}-error"] if bound.errors else []
    attrs: dict[str, Any] = {"aria-describedby": " ".join(described)} if described else {}
    if bound.errors:
        attrs["aria-invalid"] = "true"
    single_box = getattr(widget, "input_type", "") == "checkbox" and not grouped
    # A group of radio buttons is described by its fieldset: the attributes must not repeat on each button.
    control = bound.as_widget(attrs={} if grouped else attrs)
    return {
        "field": bound,
        "hint": hint,
        "control": control,
        "described": attrs.get("aria-describedby", ""),
        "grouped": grouped,
        "single_box": single_box,
        "optional": not bound.field.required and not single_box and not bare,
    }


@register.inclusion_tag("parts/errors.html")
def error_summary(form: BaseForm | None) -> dict[str, Any]:
    """ "There is a problem", with a link to each field; focus goes there (static/js/forms.js)."""
    found: list[tuple[str, str]] = []
    if form is not None and form.is_bound:
        found = [("", str(message)) for message in form.non_field_errors()]
        for bound in form:
            grouped = bool(getattr(bound.field.widget, "use_fieldset", False))
            target = f"{bound.auto_id}_0" if grouped else bound.auto_id
            found += [(target, str(message)) for message in bound.errors]
    return {"found": found}


@register.simple_tag
def error_title(form: BaseForm | None) -> str:
    """`Error: ` first in the page title when the form has errors (GOV.UK pattern)."""
    return "Error: " if form is not None and form.is_bound and form.errors else ""


# ---------------------------------------------------------------- progress


@register.inclusion_tag("parts/progress.html", takes_context=True)
def job_progress(context: Context, job: Any) -> dict[str, Any]:
    """State, stage, bar, last five log lines and error of a core.Job."""
    total = int(_get(job, "total", 0) or 0)
    return {
        "job": job,
        "total": total,
        "known": total > 0,
        "log": "\n".join(str(_get(job, "log")).strip().splitlines()[-5:]),
        "time_zone": context.get("time_zone"),
    }
