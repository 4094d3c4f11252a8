"""From a file to the settings of an import: read it, and say which network it holds."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from ngf_core.config import ImportConfig
from ngf_core.data.uploads import FOLDER
from ngf_core.errors import ConfigError
from ngf_core.imports.labels import order_of
from ngf_core.imports.networks.network import Hints, Network
from ngf_core.imports.reading import Read, read_before, read_model
from ngf_core.imports.recognise import recognise
from ngf_core.runs import RunStore
from ngf_core.runs.server_settings import refuse_readonly


@dataclass(frozen=True)
class Look:
    """What a file holds. network: None for one that the user's own code builds."""

    read: Read
    network: Network | None

    def check_labels(self, labels: str) -> None:
        """Raise ConfigError unless `labels` is empty or names each output of the network once."""
        if labels:
            # A network that the user's own code builds has as many outputs as it has labels.
            order_of(labels, self.network.classes if self.network else labels.count(",") + 1)

    def sentences(self) -> list[str]:
        """What was found, for people."""
        dtypes = ", ".join(f"{count} {kind}" for kind, count in self.read.counts().items())
        place = f" under {self.read.place!r}" if self.read.place else ""
        prefix = f", each name begun with {self.read.prefix!r}" if self.read.prefix else ""
        lines = [f"{len(self.read.types)} tensors{place}{prefix} ({dtypes})."]
        if "float64" in self.read.types.values():
            lines.append("Tensors in float64 are taken in, and given back, with the precision of "
                         "float32.")
        if self.read.others:
            lines.append(f"The file holds other state dicts too: {', '.join(self.read.others)}.")
        if self.read.ignored_count:
            more = self.read.ignored_count - len(self.read.ignored)
            lines.append("The file names code besides tensors, which was not run, and what it "
                         f"would have made is left out: {', '.join(self.read.ignored)}"
                         f"{f' and {more:,} more' if more else ''}.")
        network = self.network
        if network is not None:
            lines.append(f"{network.name}: {network.classes} classes, {network.channels} channels"
                         f"{f', images of {network.side} pixels' if network.side else ''}.")
            lines += [f"Assumed: {assumed}." for assumed in network.assumed]
        if self.read.said:
            said = ", ".join(f"{name} {value}" for name, value in self.read.said.items())
            lines.append(f"The file says: {said}.")
        return lines


def look(path: Path, store: RunStore, inside: str = "", heads: int = 0, builder: str = "",
         waiting: Callable[[], object] = lambda: None) -> Look:
    """What a file holds; its tensors are kept in the store. Raises ConfigError, NGFError.

    `waiting()` is called while other files are read before it.
    """
    refuse_readonly()
    store.prepare()
    read = read_model(path, store.root / FOLDER, inside, waiting=waiting)
    if builder:
        return Look(read, None)
    return Look(read, recognise(read.shapes(), Hints(heads)))


def described(config: ImportConfig, path: Path, store: RunStore) -> tuple[ImportConfig, Look]:
    """The settings with the file's name, SHA-256 and network filled in."""
    found = look(path, store, config.inside, config.heads, config.builder)
    if config.file_sha and config.file_sha != found.read.sha:
        raise ConfigError("file_sha", f"{path} has the SHA-256 {found.read.sha} and not the one "
                          "given", "Name the same file, or leave file_sha out.")
    found.check_labels(config.labels)
    arch = found.network.name if found.network else config.builder
    return replace(config, file=plain_name(path), file_sha=found.read.sha, arch=arch), found


def plain_name(path: Path | str) -> str:
    """A file's name without its folders, and without what Markdown or a shell would read in it."""
    return re.sub(r"[^\w .-]", "_", Path(path).name)[:80]


def kept(config: ImportConfig, store: RunStore) -> Read:
    """The tensors of an import's file, read before. Raises ConfigError where they are gone."""
    found = read_before(store.root / FOLDER, config.file_sha, config.inside)
    if found is None:
        raise ConfigError("file", f"{config.file} was not read here, or what was read is gone",
                          "Import the file again.")
    return found
