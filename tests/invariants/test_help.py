"""The help of the command ``ship`` reads as help: a sentence for each command, and one for each of its options."""

import re

import pytest
import typer

from ship.cli import main

COMMANDS = typer.main.get_command(main.app).commands
OPTIONS = [(name, p.name) for name in sorted(COMMANDS) for p in COMMANDS[name].params if p.name != "help"]


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_a_command_says_what_it_does(name):
    first = COMMANDS[name].help.split("\n\n")[0]
    assert re.fullmatch(r"[A-Z].*\.", " ".join(first.split())), first
    assert len(first.split()) >= 5


@pytest.mark.parametrize(("command", "option"), OPTIONS)
def test_an_option_says_what_it_is(command, option):
    """A phrase that can be read without the name of the option, so none that begins with "Of"."""
    text = next(p.help for p in COMMANDS[command].params if p.name == option)
    assert text, "every option is documented"
    assert re.match(r"(?!Of\b)[A-Z]", text), text
    assert text.endswith("."), text
    assert len(text.split()) >= 3, text


def test_the_commands_are_many():
    """The tests above cannot pass by finding nothing."""
    assert {"demo", "ask", "fit", "bench", "describe", "devices", "cache", "version"} <= set(COMMANDS)
    assert len(OPTIONS) > 40
