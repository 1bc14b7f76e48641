# The list of kernels, the settings, and the report on all kernels: what the rules of Snakefile refer to.
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(workflow.basedir) / "scripts"))
from archive import in_words, is_package, read_list, remove_leftovers, write_report

ARCHIVE, WORK, LOGS = (str(config[name]) for name in ("archive", "work", "logs"))
try:
    SUFFIX = {"zstd": "zst", "xz": "xz"}[config["compression"]]
except KeyError:
    raise WorkflowError(f"compression: zstd or xz, not {config['compression']}")
if config["base"] not in ("dwarf", "shipped"):
    raise WorkflowError(f"base: dwarf or shipped, not {config['base']}")
try:
    KERNELS = read_list(config["kernels"])
except (OSError, ValueError) as error:
    raise WorkflowError(f"the list of kernels: {error}")


def package_of(kernel, name):
    """What only kernels that come as packages have: the path of that file below WORK, or nothing."""
    return f"{WORK}/{kernel}/{name}" if is_package(KERNELS[kernel]) else []


def report_outcome():
    """Writes index and report, tidies up. They lie beside the kernels, with a storage provider below its prefix, which has to be a folder."""
    settings = workflow.storage_settings
    if settings.default_storage_provider not in (None, "fs"):
        logger.warning("no index and no report: the archive is not in a file system")
        return
    place = Path(settings.default_storage_prefix or "")
    rows = write_report(KERNELS, place / ARCHIVE, place / LOGS)
    remove_leftovers(rows, place / WORK)
    logger.info(in_words(rows, place / ARCHIVE / "report.tsv"))
