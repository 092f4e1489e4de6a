"""The people of the demo, one for each part in the main job. Invented; accounts exist under demo settings only."""

from __future__ import annotations

from dataclasses import dataclass

# Of every demo account; no account with it exists outside demo settings.
PASSWORD = "countersign demo 2026"
MODEL, DATASET, ORGANISATION = "model", "dataset", "organisation"


@dataclass(frozen=True)
class Person:
    """username; printed_name as it stands beside a signature; title; unit; duties: (duty, where) with where one of
    model, dataset, organisation. does: one line for the DEMO frame."""

    username: str
    printed_name: str
    title: str
    unit: str
    duties: tuple[tuple[str, str], ...]
    does: str

    @property
    def short_name(self) -> str:
        """Initial and family name, as in "R. Silva"."""
        first, *_, last = self.printed_name.split()
        return f"{first[0]}. {last}"

    @property
    def email(self) -> str:
        """An address in the domain reserved for examples (RFC 2606)."""
        return f"{self.username}@example.org"


PEOPLE = (
    Person(
        "rsilva",
        "Rafael Silva",
        "Data scientist",
        "Biometrics",
        (("developer", MODEL),),
        "Made both versions",
    ),
    Person(
        "tito", "Tomoko Ito", "Data scientist", "Biometrics", (("developer", MODEL),), "Works with R. Silva"
    ),
    Person(
        "ebauer",
        "Elif Bauer",
        "Data engineer",
        "Data management",
        (("curator", DATASET),),
        "Brings in the training data",
    ),
    Person(
        "hnkosi",
        "Hlengiwe Nkosi",
        "Data steward",
        "Data management",
        (("steward", DATASET),),
        "Keeps the test data in the vault",
    ),
    Person(
        "plund",
        "Per Lund",
        "Validation engineer",
        "Quality",
        (("validator", MODEL),),
        "Writes the plan, runs the validation",
    ),
    Person(
        "sdubois",
        "Simone Dubois",
        "Statistician",
        "Quality",
        (("bias_tester", MODEL),),
        "Runs the bias report",
    ),
    Person(
        "mchen",
        "Maria Chen",
        "QA officer",
        "Quality",
        (("approver", MODEL),),
        "Approves or rejects for quality",
    ),
    Person("anovak", "Anna Novak", "QA officer", "Quality", (("approver", MODEL),), "Second approver"),
    Person(
        "dwagner",
        "Dieter Wagner",
        "Head physician",
        "Clinical",
        (("process_expert", MODEL),),
        "States the intended use",
    ),
    Person(
        "jokafor",
        "Joy Okafor",
        "Head of clinical operations",
        "Clinical",
        (("owner", MODEL), ("owner", DATASET)),
        "Owns model and data, accepts the residual risk",
    ),
    Person(
        "lberg",
        "Lena Berg",
        "Compliance officer",
        "Compliance",
        (("compliance", ORGANISATION),),
        "Rules, waivers, medium and high tiers",
    ),
    Person(
        "kadeyemi",
        "Kemi Adeyemi",
        "Security officer",
        "IT security",
        (("security", MODEL),),
        "Signs at the high tier",
    ),
    Person(
        "omoreau",
        "Olivier Moreau",
        "Platform engineer",
        "IT",
        (("deployer", MODEL),),
        "Asks whether a digest may deploy",
    ),
    Person("ysato", "Yuki Sato", "Monitoring analyst", "IT", (("monitor", MODEL),), "Watches drift"),
    Person(
        "gmarino",
        "Giulia Marino",
        "GxP inspector",
        "Authority",
        (("inspector", ORGANISATION),),
        "Looks, read-only, and takes packs away",
    ),
    Person(
        "pfischer",
        "Paul Fischer",
        "Registrar",
        "Quality",
        (("registrar", ORGANISATION),),
        "Registers models and datasets",
    ),
    Person(
        "admin",
        "Nadia Haddad",
        "Administrator",
        "IT",
        (("administrator", ORGANISATION),),
        "Accounts and health, no content",
    ),
    Person("vkumar", "Vikram Kumar", "Sales analyst", "Sales", (), "Has nothing to do with the model"),
)


def by_duty(duty: str) -> Person:
    """The first person who holds `duty`."""
    return next(person for person in PEOPLE if any(held == duty for held, _where in person.duties))
