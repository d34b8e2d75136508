"""The list of checks."""

ALL = []


def check(function):
    """Takes a check into the list: a function of what starts runs."""
    ALL.append(function)
    return function
