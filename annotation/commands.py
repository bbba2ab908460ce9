"""`editfhf annotate …`: the campaign in Label Studio."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from editfhf import console
from editfhf.console import JsonOption, WorkspaceOption

if TYPE_CHECKING:
    from editfhf.workspace import Workspace

app = typer.Typer()
annotate = typer.Typer(help="Run the annotation campaign in Label Studio.", no_args_is_help=True)
app.add_typer(annotate, name="annotate")


LOG_LINES = 40  # that `serve --logs` prints: what fits on a screen
UrlOption = Annotated[
    str | None,
    typer.Option(
        "--url", envvar="LABEL_STUDIO_URL", metavar="URL",
        help="Address of a Label Studio elsewhere; its token: LABEL_STUDIO_API_KEY. `push` remembers the address.",
    ),
]  # fmt: skip


@annotate.command(
    epilog="Example: editfhf annotate serve -w campaign; then the same with --status, --logs, --backup FILE or --stop"
)
def serve(
    workspace: WorkspaceOption = ".",
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Port on 127.0.0.1 (else a free one).")] = None,
    stop: Annotated[bool, typer.Option("--stop", help="Stop the server of this workspace.")] = False,
    status: Annotated[bool, typer.Option("--status", help="Say whether it runs, where, and since when.")] = False,
    logs: Annotated[bool, typer.Option("--logs", help="Print what it said last.")] = False,
    backup: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write its database and what opens it to a file; it may run.")
    ] = None,
    restore: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Make it what it was at a back-up; it must be stopped.")
    ] = None,
    install_only: Annotated[bool, typer.Option("--install-only", help="Only install Label Studio.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Start Label Studio in the background on this machine (installing it where it is missing), or look after it."""
    from annotation import backup as archive
    from annotation import installation, server
    from editfhf.errors import BadInput
    from editfhf.workspace import Workspace

    if sum([stop, status, logs, backup is not None, restore is not None, install_only]) > 1:
        raise BadInput("`annotate serve` does one thing at a time.", mend="Give one of these options, then the next.")
    if install_only:
        installation.install(console.note)
        console.say(f"Label Studio {installation.VERSION} is installed in {installation.home()}")
        return
    opened = Workspace.open(workspace)
    if status:
        console.show(server.describe(opened), as_json=as_json)
    elif logs:
        lines = server.log_lines(opened, LOG_LINES)
        if as_json:
            console.show({"log": str(server.log_path(opened)), "lines": lines}, as_json=True)
        for line in () if as_json else lines:
            console.say(line)
    elif stop:
        was_running = server.stop(opened)
        if as_json:
            console.show({"stopped": was_running}, as_json=True)
        else:
            console.say("Label Studio is stopped." if was_running else "Label Studio was not running.")
    elif backup is not None:
        made = archive.back_up(opened, backup)
        if as_json:
            console.show({"backup": str(made)}, as_json=True)
        else:
            console.say(f"Backed up to {made}")
            console.note(
                "It holds e-mail addresses, the token and the key of the pseudonyms: keep it as you keep those."
            )
    elif restore is not None:
        kept = archive.restore(opened, restore)
        if as_json:
            console.show({"restored": str(restore), "kept": str(kept) if kept else None}, as_json=True)
        else:
            there = f"; what stood there is kept: {kept}" if kept else ""
            console.say(f"Label Studio is as it was in {restore}{there}")
            console.say(f"Next: editfhf annotate serve -w {workspace}, and push, which brings its images")
    else:
        _start(opened, workspace, port, as_json)


def _start(opened: "Workspace", named: str, port: int | None, as_json: bool) -> None:
    from annotation import server

    running = server.serve(opened, console.note, port)
    if as_json:
        shown = {"url": running.url, "token_file": str(server.token_path(opened)), "pid": running.pid}
        console.show(shown, as_json=True)
        return
    console.say(f"Label Studio runs at {running.url} (process {running.pid})")
    console.say(f"Its administrator signs in with the name and password in {server.credentials_path(opened)}")
    console.say(f"Next: editfhf annotate push -w {named}")


@annotate.command(
    epilog="Example: editfhf annotate people -w campaign --add ann@example.org --add bob@example.org (or --add FILE)"
)
def people(
    workspace: WorkspaceOption = ".",
    add: Annotated[
        list[str] | None, typer.Option(help="E-mail of somebody who joins, or a file with one on each line.")
    ] = None,
    pause: Annotated[list[str] | None, typer.Option(help="E-mail, pseudonym or number: gets no work for now.")] = None,
    resume: Annotated[list[str] | None, typer.Option(help="Works again.")] = None,
    leave: Annotated[list[str] | None, typer.Option(help="Leaves; what is not done goes to others.")] = None,
    invite: Annotated[
        bool, typer.Option("--invite", help="Print where people make their account, and the projects of each.")
    ] = False,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Who takes part. `push` hands out work accordingly: what is done stays, the rest is shared out again."""
    from annotation import cost
    from annotation.client import connect
    from annotation.people_file import addresses
    from annotation.projects import Projects, own_projects
    from annotation.roster import Roster, State
    from editfhf.workspace import Workspace

    opened = Workspace.open(workspace)
    if invite:
        client = connect(opened, url=url)
        rows = own_projects(opened, Projects(opened, client), client.url)
        if as_json:
            console.show({"invite": client.invite_link(), "people": rows}, as_json=True)
            return
        console.say(client.invite_link())
        console.note("Each signs up there with the address that stands here; whoever has the link can sign up.")
        for row in rows:
            console.say("")
            console.say(f"{row['number']}  {row['email']}")
            for screen, link in row["projects"].items():
                console.say(f"   {screen}: {link}")
        if not any(row["projects"] for row in rows):
            console.note(f"There are no projects yet: editfhf annotate push -w {workspace}, then this again.")
        elif len(rows) > 1:
            console.note("Send each their own links alone: an answer in another's project is refused.")
        return
    with opened.lock("annotate"):
        roster = Roster(opened)
        wanted = addresses(add or [])
        there = len({one.strip().lower() for one in wanted}) - len(roster.add(wanted))
        changes: list[tuple[list[str] | None, State]] = [(pause, "paused"), (resume, "active"), (leave, "left")]
        for names, state in changes:
            for name in names or []:
                roster.set_state(name, state)
    console.show([
        {"number": one.number, "email": one.email, "pseudonym": roster.pseudonym(one), "state": one.state}
        for one in roster.members
    ], as_json=as_json)  # fmt: skip
    if there:
        console.note(f"{there} of them {'was' if there == 1 else 'were'} there already, and stay as they are.")
    for lack in cost.lacking_now(opened.config.annotation, len(roster.active)) if add else ():
        console.note(lack)
    if add or pause or resume or leave:
        console.note(f"Now hand out the work anew: editfhf annotate push -w {workspace}")


@annotate.command(epilog="Example: editfhf annotate push -w campaign; --predictions and --pairs DIR add to it")
def push(
    workspace: WorkspaceOption = ".",
    predictions: Annotated[
        bool, typer.Option("--predictions", help="Draw what `editfhf predict` found beforehand, for people to correct.")
    ] = False,
    pairs: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Also hand out the pairs that `editfhf pairs` wrote there.")
    ] = None,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hand out the work: a project for each person and screen, and in it the tasks that are that person's."""
    from annotation import campaign
    from annotation.client import connect
    from annotation.predictions import push_predictions
    from annotation.pull_notes import people as people_of
    from editfhf.workspace import Workspace

    opened = Workspace.open(workspace)
    counts = campaign.push(opened, client := connect(opened, url=url), pairs)
    row = counts.as_row()
    for note in counts.notes:
        console.note(note)
    if counts.waiting:
        one = counts.waiting == 1
        console.note(
            f"{people_of(counts.waiting)} {'has' if one else 'have'} to be admitted before edits are shown: once what "
            "comes first is answered, pull and push again."
        )
    if counts.not_admitted:
        console.note(f"Not admitted: {people_of(counts.not_admitted)}; `editfhf annotate status` says why.")
    if predictions:
        row["predictions"] = push_predictions(opened, client).as_row()
    if as_json:
        console.show(row, as_json=True)
        return
    console.show({name: value for name, value in row.items() if name != "predictions"} | _short(row))
    if predictions:
        console.show(row["predictions"], title="Predictions")
    console.say(
        f"Next: people label at {client.url}, each in their own projects (editfhf annotate people -w {workspace} "
        f"--invite prints the links); editfhf annotate status -w {workspace}, then pull"
    )


def _short(row: dict[str, Any]) -> dict[str, Any]:
    """What of a row is a list of numbers of projects, as a reader wants it."""
    lists = {name: value for name, value in row.items() if isinstance(value, list)}
    return {name: console.spans(value) for name, value in lists.items() if all(isinstance(one, int) for one in value)}


@annotate.command(epilog="Example: editfhf annotate simulate -w campaign --annotators 30 --mix careless=0.2 --seed 1")
def simulate(
    workspace: WorkspaceOption = ".",
    annotators: Annotated[
        int | None, typer.Option(min=1, max=1000, help="How many people (else as configured).")
    ] = None,
    mix: Annotated[
        str, typer.Option(help="Share of each manner, such as careless=0.2,lazy=0.1; the rest honest.")
    ] = "",
    at_once: Annotated[
        int, typer.Option(min=1, max=100, help="So many people at once, each answer sent by itself, as people do.")
    ] = 1,
    seed: Annotated[int, typer.Option(help="The same seed gives the same people and answers.")] = 0,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Answer every task as simulated annotators (a rehearsal; every table says that they are simulated)."""
    from annotation import simulate as simulation
    from annotation.client import connect
    from annotation.pseudonyms import annotator_kind
    from annotation.roster import Roster
    from editfhf.errors import BadInput
    from editfhf.workspace import Workspace

    opened = Workspace.open(workspace)
    people = [one for one in Roster(opened).active if annotator_kind(one.email) == "human"]
    if people:
        raise BadInput(
            f"{len(people)} people are named in {opened.root}: simulated ones would take their work.",
            mend="Rehearse in a workspace of its own.",
        )
    counts = simulation.simulate(
        opened,
        connect(opened, url=url),
        annotators,
        seed,
        mix,
        at_once,
        track=lambda chunks: console.track(chunks, "Answering"),
    )
    console.show(counts.as_row(), as_json=as_json)
    if counts.left_out:
        console.note(f"{counts.left_out} edits were left out: nobody knows what is wrong with them (not procedural).")


@annotate.command(epilog="Example: editfhf annotate pull -w campaign")
def pull(
    workspace: WorkspaceOption = ".",
    everything: Annotated[
        bool, typer.Option("--all", help="Read also what has not changed since the last pull.")
    ] = False,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring new and changed answers home from Label Studio; what cannot be taken goes to a table with the reason."""
    from annotation import collect
    from annotation.client import connect
    from annotation.pull_notes import notes_of
    from annotation.roster import numbers_of
    from annotation.status_page import in_words
    from editfhf.errors import JobFailed
    from editfhf.workspace import Workspace

    opened = Workspace.open(workspace)
    counts = collect.pull(opened, connect(opened, url=url), everything, lambda places: console.track(places, "Pulling"))
    row, numbers = counts.as_row(), numbers_of(opened)
    named = {name: [in_words(one, numbers) for one in row[name]] for name in ("admitted", "not_admitted")}
    console.show(row if as_json else row | _short(row) | named, as_json=as_json)
    for note in notes_of(counts, opened, workspace):
        console.note(note)
    if counts.damaged:
        raise JobFailed(
            f"Everything is home but the answers about pairs of a folder that is damaged: {' '.join(counts.damaged)}",
            mend="Put back what `editfhf pairs` wrote there, and pull again.",
        )


@annotate.command(epilog="Example: editfhf annotate refused -w campaign")
def refused(workspace: WorkspaceOption = ".", as_json: JsonOption = False) -> None:
    """Why answers, or parts of them, could not be taken, as of the last pull or import; the commonest reason first."""
    from annotation import refusals
    from annotation.roster import numbers_of
    from annotation.status_page import in_words
    from editfhf.workspace import Workspace

    opened = Workspace.open(workspace)
    rows = [one.as_row() for one in refusals.refused(opened)]
    if not rows and not as_json:
        if opened.table_path("refused_answers").is_file():
            console.say("Nothing was refused: all answers that came home were taken.")
        else:
            console.say(f"Nothing came home yet: editfhf annotate pull -w {workspace}")
        return
    numbers = numbers_of(opened)
    if not as_json:
        rows = [row | {"by": [in_words(one, numbers) for one in row["by"]]} for row in rows]
    console.show(rows, as_json=as_json)
    if rows:
        console.note(f"Each of them, as it came: {opened.table_path('refused_answers')}")


@annotate.command(
    epilog="Example: editfhf annotate status -w campaign; or editfhf annotate status -w campaign --watch 30"
)
def status(
    workspace: WorkspaceOption = ".",
    watch: Annotated[
        float | None, typer.Option(min=1, metavar="SECONDS", help="Show it anew every so many seconds, until Ctrl-C.")
    ] = None,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """How far the campaign is: by screen and by person, what is left in hours, and how far people agree so far."""
    from annotation import status as campaign
    from annotation.roster import numbers_of
    from annotation.status_page import tables_of
    from editfhf.errors import BadInput
    from editfhf.workspace import Workspace

    opened = Workspace.open(workspace)
    if watch is not None:
        if as_json:
            raise BadInput("--watch is for people, --json for programs.", mend="Give one of them.")
        console.watch((tables_of(row, numbers_of(opened)) for row in campaign.watch(opened, url)), watch)
        return
    row = campaign.status(opened, url)
    if as_json:
        console.show(row, as_json=True)
        return
    for title, rows in tables_of(row, numbers_of(opened)):
        console.show(rows, title=title)


@annotate.command(epilog="Example: editfhf annotate plan -w campaign --edits 15000 --weeks 6; or --people 12")
def plan(
    workspace: WorkspaceOption = ".",
    edits: Annotated[int | None, typer.Option(min=1, help="How many (else those that are made).")] = None,
    weeks: Annotated[
        float | None, typer.Option(help="Until it has to be done: how many people does that take?")
    ] = None,
    people: Annotated[
        int | None,
        typer.Option(min=1, help="How many take part (else those named): how long does it take them?"),
    ] = None,
    hours_a_week: Annotated[float, typer.Option(help="That each person works; with --weeks or --people.")] = 10.0,
    as_json: JsonOption = False,
) -> None:
    """How many people, sessions, hours and how much money the campaign takes, from measured times where there are."""
    from annotation import cost
    from annotation.roster import Roster
    from editfhf.workspace import Workspace

    cost.require_hours(hours_a_week)
    opened = Workspace.open(workspace)
    plans = cost.plan_workspace(opened, edits, people)
    console.show([one.as_row(weeks, hours_a_week, people) for one in plans], as_json=as_json)
    if not as_json:
        hours, wages = sum(one.hours for one in plans), sum(one.cost for one in plans)
        console.say(f"In all {hours:,.1f} hours, {wages:,.0f} in wages.")
        if weeks is not None:
            console.note(f"people in time: at {hours_a_week:g} hours a week of each on that screen alone.")
        lacking = cost.lacking(plans, people or len(Roster(opened).active))
        if people is not None and not lacking:
            console.say(cost.in_words(plans, people, hours_a_week))
        for note in lacking:
            console.note(note)
        if not all(one.measured for one in plans):
            console.note("Seconds that were not measured are assumed; after a pilot of 20 answers they are measured.")


@annotate.command(epilog="Example: editfhf annotate quality -w campaign")
def quality(workspace: WorkspaceOption = ".", as_json: JsonOption = False) -> None:
    """Who works well, who should be watched, whose answers should be set aside; with the reasons and intervals."""
    from annotation.quality import assess_workspace
    from annotation.roster import numbers_of
    from annotation.status_page import named
    from editfhf.workspace import Workspace

    opened = Workspace.open(workspace)
    rows, numbers = assess_workspace(opened), numbers_of(opened)
    console.show(rows if as_json else [named(row["annotator"], numbers) | row for row in rows], as_json=as_json)


@annotate.command(epilog="Example: editfhf annotate suspend ann@example.org -w campaign")
def suspend(
    name: Annotated[str, typer.Argument(help="E-mail, pseudonym or number.")],
    workspace: WorkspaceOption = ".",
    undo: Annotated[bool, typer.Option("--undo", help="Take the person back.")] = False,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Set a person's answers aside (kept, and flagged), and hand out again what that leaves undone."""
    from annotation import membership
    from annotation.client import connect
    from editfhf.workspace import Workspace

    opened = Workspace.open(workspace)
    counts = membership.suspend(opened, connect(opened, url=url), name, undo)
    row = counts.as_row()
    console.show(row if as_json else row | _short(row), as_json=as_json)
    done = "The answers count again" if undo else "The answers are set aside in all tables"
    console.note(
        f"{done}; work was handed out anew ({counts.tasks} tasks added, {counts.withdrawn} withdrawn). Next: editfhf "
        f"annotate status -w {workspace} shows who has what now; editfhf analyze reckons the scores anew."
    )


@annotate.command(epilog="Example: editfhf annotate erase ann@example.org -w campaign --yes")
def erase(
    name: Annotated[str, typer.Argument(help="E-mail, pseudonym or number.")],
    workspace: WorkspaceOption = ".",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove a person's answers everywhere, here and on the server. It cannot be undone."""
    from annotation import membership
    from annotation.client import connect
    from editfhf.workspace import Workspace

    opened = Workspace.open(workspace)
    who = membership.who_is(opened, name, lambda: connect(opened, url=url))
    if not yes and not _agrees(f"Remove every answer of {who}, here and on the server?"):
        console.say("Nothing was changed.")
        raise typer.Exit(1)
    # Who is known from an export alone is on no server of ours.
    erased = membership.erase_imported(opened, name) or membership.erase(opened, connect(opened, url=url), name)
    console.show(erased.as_row(), as_json=as_json)
    for note in membership.still_held(opened, erased):
        console.note(note)


def _agrees(question: str) -> bool:
    try:
        return typer.confirm(question)
    except typer.Abort:  # Ctrl-C, or nobody is there to answer
        console.say("")
        return False


@annotate.command(name="import", epilog="Example: editfhf annotate import export.json -w campaign")
def import_(
    file: Annotated[Path, typer.Argument(help="A JSON export of Label Studio.")],
    workspace: WorkspaceOption = ".",
    as_json: JsonOption = False,
) -> None:
    """Read the answers in a Label Studio JSON export, of a campaign that was run elsewhere."""
    from annotation import import_file
    from editfhf.workspace import Workspace

    console.show(import_file.import_export(Workspace.open(workspace), file).as_row(), as_json=as_json)
