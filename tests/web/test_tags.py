"""The tags that carry regulatory meaning say it in words, escape what they show, and use no inline style."""

from __future__ import annotations

import enum
import re
from datetime import UTC, date, datetime, timedelta, timezone
from importlib import import_module
from importlib.util import find_spec
from types import SimpleNamespace

import lucide
import pytest
from django import forms
from django.apps import apps
from django.template import Context, Template

from apps.core.errors import BadInput, Conflict
from apps.core.outcomes import WORDS, CheckState
from apps.web import marks, times
from apps.web.forms import DayField, Form, MomentField, ReasonField

WINTER = datetime(2026, 11, 19, 14, 2, 11, tzinfo=UTC)
DIGEST = "sha256:" + "51ab09cc77e0f3d1" * 4
EVIL = '<script>alert("x")</script>'


def show(source: str, **context: object) -> str:
    return Template("{% load countersign %}" + source).render(Context(context))


def words(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


# ---------------------------------------------------------------- states


@pytest.mark.parametrize("code", [state.value for state in CheckState])
def test_a_gate_state_is_icon_and_word_and_fill(code):
    html = show("{% state code %}", code=code)
    assert words(html) == WORDS[CheckState(code)]
    assert '<svg class="i' in html
    assert f'class="st st-{marks.CHECK_MARKS[code].fill}"' in html
    assert 'aria-hidden="true"' in html


def test_no_two_gate_states_share_word_and_icon_shape():
    found = list(marks.CHECK_MARKS.values())
    assert len({mark.word for mark in found}) == len({marks._SHAPES[mark.icon] for mark in found}) == 10


def test_a_state_may_bring_a_count_and_keeps_it_escaped():
    assert words(show('{% state "not_met" "1 check" %}')) == "Not met: 1 check"
    assert EVIL not in show('{% state "not_met" evil %}', evil=EVIL)


def test_a_state_nobody_drew_is_shown_by_its_word_not_hidden():
    assert words(show('{% version_state "half_released" %}')) == "Half released"


def test_a_record_is_shown_by_its_own_label():
    record = SimpleNamespace(state="frozen", get_state_display=lambda: "Frozen for ever")
    assert words(show("{% version_state r %}", r=record)) == "Frozen for ever"


def test_every_mark_names_an_icon_that_exists():
    for table in (marks.CHECK_MARKS, marks.JOB_MARKS, marks.RECORD_MARKS, marks.SIGNATURE_MARKS):
        for mark in table.values():
            assert marks.icon(mark.icon).startswith("<svg")


STATE_ENUMS = [
    value
    for app in apps.get_app_configs()
    if app.name.startswith("apps.") and find_spec(f"{app.name}.states")
    for name, value in vars(import_module(f"{app.name}.states")).items()
    if isinstance(value, enum.EnumMeta) and name.endswith(("State", "Verdict"))
]


def test_every_state_a_record_can_have_is_drawn():
    known = {**marks.RECORD_MARKS, **marks.CHECK_MARKS}
    missing = [
        f"{found.__module__}.{member.name}"
        for found in STATE_ENUMS
        for member in found
        if member not in known
    ]
    assert STATE_ENUMS
    assert not missing


def test_an_unknown_icon_is_an_error_not_a_hole():
    with pytest.raises(lucide.IconDoesNotExist):
        show('{% icon "no-such-icon" %}')


def test_icons_carry_no_inline_style():
    assert "style=" not in show('{% icon "search" %}{% icon "met" %}')


# ---------------------------------------------------------------- times


def test_a_time_is_utc_then_the_readers_zone_both_named():
    html = show("{% when t %}", t=WINTER, time_zone="Europe/Zurich")
    assert words(html) == "2026-11-19 14:02 UTC (15:02 Europe/Zurich, UTC+01:00)"
    assert 'datetime="2026-11-19T14:02:11Z"' in html


def test_summer_time_and_seconds():
    html = show(
        "{% when t seconds=True %}", t=datetime(2026, 7, 1, 9, 0, 5, tzinfo=UTC), time_zone="Europe/Zurich"
    )
    assert words(html) == "2026-07-01 09:00:05 UTC (11:00:05 Europe/Zurich, UTC+02:00)"


def test_the_local_date_is_said_when_it_differs():
    late = datetime(2026, 11, 19, 23, 30, tzinfo=UTC)
    assert "(2026-11-20 08:30 Asia/Tokyo, UTC+09:00)" in times.spoken(late, "Asia/Tokyo")


def test_half_hour_and_negative_offsets():
    assert times.offset(WINTER.astimezone(timezone(timedelta(hours=-3, minutes=-30)))) == "UTC-03:30"
    assert "UTC+05:30" in times.spoken(WINTER, "Asia/Kolkata")


@pytest.mark.parametrize("zone", ["UTC", "", None, "Mars/Base", "../../etc/passwd"])
def test_without_a_usable_zone_utc_stands_alone(zone):
    assert times.spoken(WINTER, zone) == "2026-11-19 14:02 UTC"


def test_a_time_given_in_another_zone_is_shown_in_utc():
    given = WINTER.astimezone(timezone(timedelta(hours=5)))
    assert words(show("{% when t %}", t=given)) == "2026-11-19 14:02 UTC"


def test_a_naive_time_is_refused():
    with pytest.raises(ValueError, match="without a zone"):
        times.spoken(datetime(2026, 1, 1))  # noqa: DTZ001


def test_nothing_is_shown_as_a_dash_with_a_word():
    for source in (
        "{% when x %}",
        "{% person x %}",
        "{% digest_short x %}",
        "{% estimate x %}",
        "{% day x %}",
    ):
        assert words(show(source, x=None)) == "– none"


# ---------------------------------------------------------------- people, digests, figures


def test_a_person_has_a_printed_name_and_a_user_name():
    user = SimpleNamespace(printed_name="Maria Chen", username="mchen", is_active=True, is_service=False)
    assert words(show("{% person u %}", u=user)) == "Maria Chen @mchen"


def test_machines_and_leavers_are_marked():
    machine = SimpleNamespace(printed_name="CI", username="ci", is_active=True, is_service=True)
    leaver = SimpleNamespace(printed_name="Jo", username="jo", is_active=False, is_service=False)
    assert "<svg" in show("{% person u %}", u=machine)
    assert words(show("{% person u %}", u=leaver)) == "Jo @jo (deactivated)"


def test_names_are_escaped():
    assert EVIL not in show("{% person u %}", u=SimpleNamespace(printed_name=EVIL, username="x"))


def test_a_short_digest_keeps_the_whole_one_at_hand():
    html = show("{% digest_short d %}", d=DIGEST)
    assert "sha256 51ab 09cc 77e0 …" in words(html)
    assert f'title="{DIGEST}"' in html
    assert f'data-copy="{DIGEST}"' in html


def test_a_full_digest_loses_no_character():
    html = show("{% digest_full d %}", d=DIGEST)
    code = re.search(r"<code[^>]*>(.*?)</code>", html).group(1)
    assert code.replace(" ", "") == DIGEST.replace(":", "")


def test_an_estimate_says_interval_and_n():
    value = {"value": 0.93104, "low": 0.9211, "high": 0.9408, "n": 4120}
    assert words(show("{% estimate e %}", e=value)) == "0.931 (95 % CI 0.921 to 0.941) , n = 4120"
    thing = SimpleNamespace(**value)
    assert show("{% estimate e %}", e=thing) == show("{% estimate e %}", e=value)


@pytest.mark.parametrize(
    ("value", "shown"), [(-0.0001, "0.000"), ("-0.0004", "0.000"), (-0.0, "0.000"), (-0.0006, "-0.001")]
)
def test_a_figure_that_rounds_to_zero_has_no_minus(value, shown):
    assert show("{{ x|number }}", x=value) == shown
    given = {"value": value, "low": value, "high": value, "n": 50}
    assert words(show("{% estimate e %}", e=given)).startswith(f"{shown} (95 % CI {shown} to {shown})")


def test_the_method_of_an_interval_is_named_as_people_say_it():
    assert show("{{ x|method_words }}", x="delong, logit") == "DeLong on the logit scale"


def test_an_estimate_of_zero_is_a_value():
    assert words(show("{% estimate e %}", e={"value": 0.0, "low": 0, "high": 0.01, "n": 50})).startswith(
        "0.000 ("
    )


def test_an_estimate_without_value_says_why():
    html = show("{% estimate e %}", e={"value": None, "n": 3, "reason": "too few to judge"})
    assert words(html) == "too few to judge, n = 3"


# ---------------------------------------------------------------- refusals and buttons

REFUSED = Conflict(
    "You cannot approve this.", fact="You wrote TC-88.", rule="DY13", who=["A. Novak", "L. Berg"]
)


def test_a_refusal_shows_its_four_parts_as_text():
    said = words(show("{% why_not v %}", v=REFUSED))
    assert said == "You cannot approve this. You wrote TC-88. Rule DY13. Who may: A. Novak, L. Berg."


def test_a_refusal_is_escaped_and_an_allowed_verdict_says_nothing():
    assert EVIL not in show("{% why_not v %}", v=Conflict(EVIL, fact=EVIL, rule=EVIL, who=[EVIL]))
    assert show("{% why_not v %}", v=SimpleNamespace(allowed=True, what="")) == ""


def test_a_refused_act_stays_visible_focusable_and_described_by_its_reason():
    verdict = SimpleNamespace(allowed=False, act="approvals.sign", label="Sign", **REFUSED.parts())
    html = show('{% act_button v "/x/sign" %}', v=verdict)
    described = re.search(r'aria-describedby="([^"]+)"', html).group(1)
    assert f'id="{described}"' in html
    assert 'aria-disabled="true"' in html
    assert 'tabindex="0"' in html
    assert "href" not in html
    assert "Rule DY13." in words(html)


def test_an_allowed_act_is_a_link():
    html = show('{% act_button v "/x" "Open" "primary" %}', v=SimpleNamespace(allowed=True, act="a.b"))
    assert html == '<a class="btn btn-primary" href="/x">Open</a>'


# ---------------------------------------------------------------- signatures

SIGNATURE = SimpleNamespace(
    printed_name="Maria Chen",
    username="mchen",
    duties="approver",
    meaning="approval",
    meaning_text="I approve it for its intended use.",
    decision="approved",
    reason="",
    signed_at=WINTER,
    subject_ref="VP-3",
    record_version="2",
    content_digest=DIGEST,
    factors=["username", "password"],
)


@pytest.mark.parametrize(
    ("valid", "word"),
    [(True, "VALID"), ("out_of_date", "OUT OF DATE"), (False, "UNSIGNED"), ("forged", "UNSIGNED")],
)
def test_a_manifestation_has_name_time_meaning_record_and_standing(valid, word):
    said = words(show("{% signature s valid %}", s=SIGNATURE, valid=valid, time_zone="Europe/Zurich"))
    assert said.startswith(word)
    for part in ("Maria Chen", "@mchen", "approver", "I approve it for its intended use.", "VP-3 version 2"):
        assert part in said
    assert "2026-11-19 14:02:11 UTC (15:02:11 Europe/Zurich, UTC+01:00)" in said
    assert "user name and password" in said
    assert ("does not cover the record" in said) == (word != "VALID")


# ---------------------------------------------------------------- forms


class Sample(Form):
    name = forms.CharField(label="Name", help_text="Lower case.", max_length=5)
    decision = forms.ChoiceField(widget=forms.RadioSelect, choices=[("a", "Approve"), ("r", "Reject")])
    due = DayField(required=False)
    as_of = MomentField(required=False)
    reason = ReasonField()


def test_hint_and_error_describe_the_control():
    html = show("{% field f.name %}", f=Sample({"name": "too long"}))
    assert 'aria-describedby="id_name-hint id_name-error"' in html
    assert html.count("aria-describedby") == 1
    assert 'id="id_name-hint"' in html
    assert 'id="id_name-error"' in html
    assert 'aria-invalid="true"' in html
    assert "Error: “Name” may have at most 5 characters; it has 8. Shorten it." in words(html)


def test_two_fields_with_the_same_fault_are_told_apart():
    form = Sample(
        {"name": "too long", "decision": "a", "due": "1/2/26", "as_of": "noon", "reason": "x" * 2001}
    )
    assert [message for name in form.fields for message in form.errors.get(name, [])] == [
        "“Name” may have at most 5 characters; it has 8. Shorten it.",
        "“Due”: write the date as YYYY-MM-DD, for example 2026-11-19.",
        "“As of”: write the time in UTC as YYYY-MM-DD HH:MM, for example 2026-11-19 14:02.",
        "“Reason” may have at most 2000 characters; it has 2001. Shorten it.",
    ]


@pytest.mark.parametrize("mark", ["\u202e", "\u2066", "\x0b", "\x7f"])
def test_a_reason_that_reads_otherwise_than_it_is_written_is_refused_and_kept(mark):
    form = Sample({"name": "ada", "decision": "a", "reason": f"In{mark} order."})
    point = f"U+{ord(mark):04X}"
    assert form.errors == {
        "reason": [
            f"“Reason” holds a character that nobody sees ({point}), after 2 characters. Type that place anew."
        ]
    }
    assert mark in form["reason"].value()
    assert Sample({"name": "ada", "decision": "a", "reason": "Two\n\tlines, naïve, שלום."}).is_valid()


def test_a_group_is_a_fieldset_with_a_legend_and_single_description():
    html = show("{% field f.decision %}", f=Sample({}))
    assert "<legend>Decision" in html
    assert html.count("aria-describedby") == 1


def test_the_summary_links_to_each_field_and_names_it():
    html = show("{% error_summary f %}", f=Sample({}))
    assert "There is a problem" in html
    assert re.findall(r'href="#([^"]+)">([^<]+)<', html) == [
        ("id_name", "Fill in “Name”."),
        ("id_decision_0", "Choose “Decision”."),
        ("id_reason", "Say why."),
    ]
    assert show("{% error_summary f %}", f=Sample()).strip() == ""


def test_the_title_says_error_first():
    assert show("{% error_title f %}", f=Sample({})) == "Error: "
    assert show("{% error_title f %}", f=Sample()) == ""


def test_a_refusal_of_the_act_lands_beside_the_fields():
    form = Sample({"name": "ok", "decision": "a", "reason": "because"})
    assert form.is_valid()
    form.add_refusal(BadInput(fields={"name": ["There is such a name."], "elsewhere": ["Not here."]}))
    assert form.errors["name"] == ["There is such a name."]
    assert form.non_field_errors() == ["Not here."]


def test_a_refusal_without_fields_lands_on_top():
    form = Sample({"name": "ok", "decision": "a", "reason": "because"})
    form.add_refusal(REFUSED)
    assert form.non_field_errors() == ["You cannot approve this. You wrote TC-88."]


@pytest.mark.parametrize(
    ("typed", "day"),
    [("2026-11-19", date(2026, 11, 19)), ("19/11/2026", None), ("11/19/2026", None), ("2026-02-30", None)],
)
def test_dates_are_read_in_one_order_only(typed, day):
    form = Sample({"name": "ok", "decision": "a", "reason": "r", "due": typed})
    assert form.is_valid() is (day is not None)
    assert form.cleaned_data.get("due") == day


def test_moments_are_utc_and_come_back_as_typed():
    form = Sample({"name": "ok", "decision": "a", "reason": "r", "as_of": "2026-11-01 09:00"})
    assert form.is_valid()
    assert form.cleaned_data["as_of"] == datetime(2026, 11, 1, 9, tzinfo=UTC)
    assert 'value="2026-11-01 09:00"' in show(
        "{{ f.as_of }}", f=Sample(initial={"as_of": form.cleaned_data["as_of"]})
    )
    assert not Sample({"name": "ok", "decision": "a", "reason": "r", "as_of": "yesterday"}).is_valid()
