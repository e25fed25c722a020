"""``bindsearch service``: the daemon in the background, run by the system's own service manager."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bindsearch.cli.common import FOUND_NOTHING, Json, one_line_errors, print_json, printable, say
from bindsearch.cli.lazy import STYLE

if TYPE_CHECKING:
    from bindsearch.cli.managers import Service
    from bindsearch.remote.client import Daemon

app = typer.Typer(invoke_without_command=True, add_completion=False, **STYLE)


@app.callback()
def default(context: typer.Context) -> None:
    """Run the daemon in the background, and see what it does.

    Example:

        bindsearch service status
    """
    if context.invoked_subcommand is None:
        one_line_errors(_write_status)(context, as_json=False)


@app.command()
@one_line_errors
def install(
    context: typer.Context,
    show: Annotated[
        bool, typer.Option("--print", help="Show the file that would be written, and change nothing.")
    ] = False,
) -> None:
    """Have the daemon run at every login, and from now on.

    systemd does that on Linux, launchd on macOS. Each library has a service of its own. How it goes about its
    work is for [watch] in the library's settings.toml to say; 'bindsearch service restart' has a change there
    take effect.

    Example:

        bindsearch service install --print
    """
    from bindsearch.cli.managers import find_manager

    service = _service(context)
    if show:
        _show_file(context, service)
        return
    _need_roots(context)
    manager = find_manager()
    manager.install(service)
    say(context, f"{service.name} runs from now on: {printable(str(manager.file(service)))}")
    say(context, "'bindsearch service status' tells what it does")
    if sys.platform == "linux":
        say(context, "it ends when you log out, unless 'loginctl enable-linger' was run once")


@app.command()
@one_line_errors
def uninstall(context: typer.Context) -> None:
    """Stop the service and take it away. The library stays as it is.

    Example:

        bindsearch service uninstall
    """
    from bindsearch.cli.managers import find_manager

    service = _service(context)
    find_manager().uninstall(service)
    say(context, f"{service.name} is no longer installed; the library and its files are untouched")


@app.command()
@one_line_errors
def start(context: typer.Context) -> None:
    """Start the service.

    Example:

        bindsearch service start
    """
    from bindsearch.cli.managers import find_manager

    service = _service(context)
    find_manager().start(service)
    say(context, f"{service.name} runs")


@app.command()
@one_line_errors
def stop(context: typer.Context) -> None:
    """Stop the service, until the next login.

    Example:

        bindsearch service stop
    """
    from bindsearch.cli.managers import find_manager
    from bindsearch.cli.standing import ask_status

    service = _service(context)
    find_manager().stop(service)
    say(context, f"{service.name} is stopped")
    other = ask_status(service.library)
    if other is not None:
        say(context, f"a daemon that the service manager did not start still runs: pid {other.pid}")


@app.command()
@one_line_errors
def restart(context: typer.Context) -> None:
    """Have changed settings take effect.

    Example:

        bindsearch service restart
    """
    from bindsearch.cli.managers import find_manager

    service = _service(context)
    find_manager().restart(service)
    say(context, f"{service.name} runs")


@app.command()
@one_line_errors
def status(context: typer.Context, as_json: Json = False) -> None:
    """Show what the daemon does, whoever has started it.

    Ends with 1 if none runs for this library.

    Example:

        bindsearch service status --json
    """
    _write_status(context, as_json)


@app.command()
@one_line_errors
def logs(
    context: typer.Context,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of the last lines.")] = 30,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show what the daemon has written into its log.

    Example:

        bindsearch service logs --follow
    """
    from bindsearch.cli.standing import line_of_log
    from bindsearch.ingest.daemon.logs import log_file, read_logs

    folder = context.obj.folder()
    if not follow and not log_file(folder).exists():
        say(context, "no daemon of this library has written a log yet")
        raise typer.Exit(FOUND_NOTHING)
    for record in read_logs(folder, lines, follow):
        if as_json:
            print_json(record)
        else:
            print(printable(line_of_log(record)))
        sys.stdout.flush()


@app.command()
@one_line_errors
def pause(
    context: typer.Context,
    minutes: Annotated[
        float | None,
        typer.Option(
            "--for", min=0.0, metavar="MINUTES", help="Go on by itself after so long. Default: never."
        ),
    ] = None,
) -> None:
    """Have the daemon index nothing for a while. Searches are answered as ever.

    Example:

        bindsearch service pause --for 30
    """
    with _running(context) as daemon:
        daemon.pause(None if minutes is None else minutes * 60.0)
    span = "1 minute" if minutes == 1 else f"{minutes:g} minutes"
    ending = "until 'bindsearch service resume'" if minutes is None else f"for {span}"
    say(context, f"indexing is paused {ending}")


@app.command()
@one_line_errors
def resume(context: typer.Context) -> None:
    """End a pause.

    Example:

        bindsearch service resume
    """
    with _running(context) as daemon:
        daemon.resume()
    say(context, "indexing goes on")


def _write_status(context: typer.Context, as_json: bool) -> None:
    from bindsearch.cli.managers import manager_of_system
    from bindsearch.cli.standing import ask_status, lines_of

    service, manager = _service(context), manager_of_system()
    state = manager.state(service) if manager is not None else "no service manager"
    found = ask_status(service.library)
    if as_json:
        known: dict[str, Any] = {
            "running": found is not None,
            "service": service.name,
            "service_state": state,
        }
        print_json(known | ({} if found is None else found.record()))
    else:
        print(f"service     {service.name}: {printable(state)}")
        for line in lines_of(found):
            print(line)
    if found is None:
        raise typer.Exit(FOUND_NOTHING)


def _service(context: typer.Context) -> Service:
    from bindsearch.cli.managers import Service

    return Service.of(context.obj.folder(), os.environ)


def _show_file(context: typer.Context, service: Service) -> None:
    """The service's file on stdout; where no manager is known, the command to run."""
    from bindsearch.cli.managers import by_hand, manager_of_system

    manager = manager_of_system()
    if manager is None:
        say(context, "there is neither systemd nor launchd here; have your system run this at login:")
        print(printable(by_hand(service)))
        return
    say(context, printable(str(manager.file(service))))
    sys.stdout.flush()
    sys.stdout.buffer.write(manager.text(service))


def _need_roots(context: typer.Context) -> None:
    """Raise an error unless the library watches anything: a service could but end at once."""
    from bindsearch.errors import QueryError

    with context.obj.open() as library:
        if not library.roots():
            raise QueryError("the library has no roots yet", hint="name one: bindsearch index FOLDER")


def _running(context: typer.Context) -> Daemon:
    """The daemon that runs, or an error."""
    from bindsearch.errors import BindsearchError
    from bindsearch.remote.client import Daemon

    daemon = Daemon.find(context.obj.folder(), anyhow=True)
    if daemon is None:
        raise BindsearchError(
            "no daemon runs for this library", hint="'bindsearch service start' or 'bindsearch watch'"
        )
    return daemon
