"""Types of the options of command lines whose default is none or nothing, and is told in words."""

from pathlib import Path
from typing import Annotated

from tyro.conf import arg

Name = Annotated[str | None, arg(metavar="NAME", help_behavior_hint="")]
Number = Annotated[int | None, arg(metavar="N", help_behavior_hint="")]
File = Annotated[Path | None, arg(metavar="FILE", help_behavior_hint="")]
Folder = Annotated[Path | None, arg(metavar="FOLDER", help_behavior_hint="")]
Names = Annotated[tuple[str, ...], arg(metavar="NAME …", help_behavior_hint="")]
Numbers = Annotated[tuple[int, ...], arg(metavar="N …", help_behavior_hint="")]
