"""The model of time, memory and disk (`ngf_core.scaling`), fitted and tested."""
