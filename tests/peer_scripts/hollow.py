"""Modules that the newest datamint imports and does not need to move data, as empty shells.

Import before `datamint`. Whatever is asked of such a module is a class that does nothing.
"""

import sys
from abc import ABCMeta
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

ABSENT = {"torch", "torchvision", "lightning", "mlflow", "segmentation_models_pytorch", "albumentations", "podman"}


class Anything(ABCMeta):
    """A class whose every attribute is the class itself."""

    def __getattr__(cls, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return cls


class Shell(metaclass=Anything):
    """Takes whatever it is given, and does nothing."""

    def __init__(self, *arguments, **options):
        pass

    def __class_getitem__(cls, item):
        return cls

    def __call__(self, *arguments, **options):
        return self

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Shell()


class Hollow(ModuleType):
    """A module in which everything is there and nothing works."""

    __path__ = ()

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (Shell,), {})


class Finder(MetaPathFinder, Loader):
    """Finds what is absent."""

    def find_spec(self, name, path=None, target=None):
        return ModuleSpec(name, self, is_package=True) if name.split(".")[0] in ABSENT else None

    def create_module(self, spec):
        return Hollow(spec.name)

    def exec_module(self, module):
        pass


sys.meta_path.append(Finder())  # last, so that what is installed comes first
