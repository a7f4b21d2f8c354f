"""The conformance kit: does a model, a learning rule or a part of a device keep to what the engines and its users rely on?"""

from ..base.boundary import guard as _guard
from .check import check_device_part, check_model, check_rule
from .report import Finding, Report

__all__ = ["Finding", "Report", "check_device_part", "check_model", "check_rule"]

_guard(__name__)
