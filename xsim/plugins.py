"""What other packages add to xsim: restorers, probes, phantoms and file formats, by entry points.

Names are read from the metadata of installed packages; their code is imported when a name is first used. A name that
xsim has itself stays xsim's, and one that two packages claim belongs to neither: either is said in one line. Names are
the same if they differ by case alone: they are suffixes of files, and parts of names of folders.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from xsim.errors import InputError, XsimWarning
from xsim.names import name_key

__all__ = ["GROUPS", "Plugin", "package_of", "plugins", "say_broken"]

GROUPS: Final = {
    "xsim.restorers": "restorer",
    "xsim.probes": "probe",
    "xsim.phantoms": "phantom",
    "xsim.formats": "file format",
}
"""Groups of entry points, and what an entry of each is called."""

_said: set[str] = set()


@dataclass(frozen=True)
class Plugin:
    """A name that another package adds.

    Parameters
    ----------
    group : str
        One of `GROUPS`.
    name : str
        What users call it.
    package, version : str
        The distribution that adds it.
    value : str
        Where it is: ``module:attribute``.
    """

    group: str
    name: str
    package: str
    version: str
    value: str

    def load(self) -> Any:
        """Import the package and return what it adds.

        Raises
        ------
        InputError
            If that fails, whatever the reason; the message names the package.
        """
        from importlib.metadata import EntryPoint  # noqa: PLC0415  (7 ms that `xsim --help` does not need)

        try:
            return EntryPoint(self.name, self.value, self.group).load()
        except Exception as error:
            raise self.broken(f"{type(error).__name__}: {error}") from error

    def broken(self, reason: str) -> InputError:
        """Return the error of a plugin that cannot be used."""
        reason = " ".join(reason.split())[:200]
        return InputError(
            f"{GROUPS[self.group]} '{self.name}' of the package {self.package} {self.version} cannot be used "
            f"({reason}): repair it, or pip uninstall {self.package}"
        )


def plugins(group: str, builtin: Collection[str] = ()) -> dict[str, Plugin]:
    """Return what other packages add, by name, sorted; nothing of theirs is imported.

    Parameters
    ----------
    group : str
        One of `GROUPS`.
    builtin : collection of str
        Names that are taken by xsim: no package replaces them.
    """
    by_key = defaultdict(list)
    for plugin in sorted(_declared(group), key=lambda plugin: plugin.name):
        by_key[name_key(plugin.name)].append(plugin)
    own, found = {name_key(name) for name in builtin}, {}
    for key, claims in sorted(by_key.items()):
        what, packages = GROUPS[group], " and ".join(sorted({plugin.package for plugin in claims}))
        names = " or ".join(f"'{name}'" for name in sorted({plugin.name for plugin in claims}))
        if key in own:
            _say_once(f"the package {packages} adds a {what} {names}, a name of xsim's own: it is not taken")
        elif len(claims) > 1:
            _say_once(f"{what} {names} is added by {packages}: none is taken, uninstall all but one")
        else:
            found[claims[0].name] = claims[0]
    return found


def say_broken(error: InputError) -> None:
    """Warn of a plugin that is left out."""
    _say_once(str(error))


def package_of(module: str) -> str:
    """Return the installed package, with its version, that a module belongs to; "" for none, as of a script's own."""
    from importlib.metadata import packages_distributions, version  # noqa: PLC0415

    names = packages_distributions().get(module.partition(".")[0], [])
    return f"{names[0]} {version(names[0])}" if names else ""


@cache
def _declared(group: str) -> tuple[Plugin, ...]:
    from importlib.metadata import distributions  # noqa: PLC0415

    found: dict[str, list[Plugin]] = {}
    for package in distributions():
        try:
            entries = [entry for entry in package.entry_points if entry.group == group]
            # Of a package that lies twice on the path the first is what is imported.
            if entries and package.name not in found:
                name, version = package.name, package.version
                found[name] = [Plugin(group, entry.name, name, version, entry.value) for entry in entries]
        except Exception as error:  # noqa: BLE001  (whatever a damaged installation raises)
            where = getattr(package, "_path", package)
            _say_once(f"{where}: the metadata of this package cannot be read ({error!r:.100}): install it anew")
    return tuple(plugin for own in found.values() for plugin in own)


def _say_once(text: str) -> None:
    from multiprocessing import parent_process  # noqa: PLC0415

    # The parent has said it; each of its workers would say it again.
    if text not in _said and parent_process() is None:
        _said.add(text)
        warnings.warn(text, XsimWarning, stacklevel=3)
