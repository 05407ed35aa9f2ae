"""Panels of a fit: a measured curve with the fitted one, and the deviations in units of the errors."""

FIT = "#0072B2"


def draw_fit(axes, data, model, quantity_name):
    """Draw a fit into one axis, or two where the data have errors; arguments as for `figures.fitted`."""
    style = {"color": "0.1", "marker": "o", "markersize": 3.5, "linestyle": "none", "capsize": 1.5}
    axes[0].errorbar(data.temperature, data.value, yerr=data.error, label="measured", **style)
    axes[0].plot(data.temperature, model, color=FIT, linewidth=1.2, label="fit", zorder=3)
    axes[0].set_ylabel(quantity_name)
    if data.error is not None:
        axes[1].axhline(0.0, color=FIT, linewidth=1.2)
        axes[1].errorbar(data.temperature, (data.value - model) / data.error, yerr=1.0, **style)
        axes[1].set_ylabel("deviation / error")
    for axis in axes:
        axis.set_xlabel("temperature  $T$  [K]")
