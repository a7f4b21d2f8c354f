"""The usual names of measured quantities, as instruments and people write them: lower case, no unit, in several languages.

A name is here only where it says what the quantity is. Which column of a table a name stands for is decided in `roles`.
"""

from __future__ import annotations

VOLTAGE = (
    "voltage", "v", "u", "drainv", "av", "vd", "v_d", "v1", "v_g", "vg", "bias", "v_bias", "vbias", "v_applied",
    "potential", "ewe", "vf", "volt",
    "voltage_applied", "applied_voltage", "spannung", "tension", "tensione", "tensión", "voltaje", "tensão", "spänning",
    "spanning", "napětí", "napięcie", "напряжение", "電圧", "电压", "電壓", "전압",
)  # fmt: skip
CURRENT = (
    "current", "i", "draini", "ai", "id", "i_d", "i1", "i_meas", "measured_current",
    "<i>", "im", "ampere", "strom", "courant", "corrente", "corriente",
    "ström", "stroom", "proud", "prąd", "ток", "電流", "电流", "전류",
)  # fmt: skip
CONDUCTANCE = (
    "conductance", "g", "leitwert", "conduttanza", "conductancia", "condutância", "проводимость",
    "コンダクタンス", "电导", "電導",
)  # fmt: skip
RESISTANCE = (
    "resistance", "r", "widerstand", "résistance", "resistenza", "resistencia", "resistência", "сопротивление", "抵抗", "电阻",
    "電阻", "저항",
)  # fmt: skip
TIME = (
    "time", "t", "elapsed", "elapsed_time", "timestamp", "time_stamp", "unix_time", "clock",
    "second", "zeit", "temps", "tempo", "tiempo",
    "tid", "tijd", "čas", "czas", "время", "時間", "时间", "시간",
)  # fmt: skip
CYCLE = (
    "cycle",
    "cycles",
    "run",
    "cycle_id",
    "cycle_number",
    "scan",
    "zyklus",
    "zyklen",
    "ciclo",
    "cicli",
    "ciclos",
    "цикл",
    "サイクル",
    "循环",
)
DEVICE = ("device", "device_id", "cell", "dut", "bauelement", "zelle", "dispositif", "dispositivo", "素子", "器件")
V_READ = ("v_read", "read_voltage", "vread", "lesespannung")
PULSE_VOLTAGE = ("pulse_voltage", "v_pulse", "vpulse", "v_write", "vwrite", "pulse_amplitude", "amplitude", "pulsspannung")
PULSE_WIDTH = ("pulse_width", "t_pulse", "t_write", "width", "pulsbreite")
