"""The list of checks."""

ALL = []


def check(function):
    """Takes a check into the list: a function of the server and the command."""
    ALL.append(function)
    return function


def eq(got, wanted, what=""):
    assert got == wanted, f"{what}\ngot    {got}\nwanted {wanted}"
