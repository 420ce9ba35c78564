"""The whole restoration of `physics-sde` in numpy alone: what another language has to do, and nothing else.

Run: python examples/restore_numpy.py WEIGHTS.json LR.npy HR.npy

Reads weights of one pair of detectors (card and .safetensors) and an LR image (H, W), linear, open field 1.0; writes
the HR image, as `xsim_zoo.load("physics-sde", WEIGHTS).restore_array(lr)` makes it to 1e-4 of the open field. The
network may be any function of features (2, H, W) and conditions (3,), as of an ONNX session.
"""

import json
import struct
import sys
from pathlib import Path

import numpy as np

fft = lambda x: np.fft.rfft2(x, norm="ortho")
ifft = lambda X, shape: np.fft.irfft2(X, s=shape, norm="ortho")


def tensors_of(path):
    """Return the tensors of a .safetensors file: eight bytes of length, a header of JSON, then the numbers."""
    data = Path(path).read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    cut = lambda a, b: np.frombuffer(data[8 + length + a : 8 + length + b], "<f4")
    return {k: cut(*v["data_offsets"]).reshape(v["shape"]) for k, v in header.items() if k != "__metadata__"}


def pchip(x, y, at):
    """Return the monotone cubic through (x, y) at places between the first and the last (Fritsch and Butland)."""
    h, d = np.diff(x), np.diff(y) / np.diff(x)
    w1, w2 = 2 * h[1:] + h[:-1], h[1:] + 2 * h[:-1]
    same = d[:-1] * d[1:] > 0
    inner = np.where(same, (w1 + w2) / (w1 / np.where(same, d[:-1], 1) + w2 / np.where(same, d[1:], 1)), 0)

    def end(h0, h1, d0, d1):
        s = ((2 * h0 + h1) * d0 - h0 * d1) / (h0 + h1)
        return 0 if s * d0 <= 0 else 3 * d0 if d0 * d1 <= 0 and abs(s) > 3 * abs(d0) else s

    m = np.concatenate([[end(h[0], h[1], d[0], d[1])], inner, [end(h[-1], h[-2], d[-1], d[-2])]])
    i = np.clip(np.searchsorted(x, at, side="right") - 1, 0, len(h) - 1)
    t, c2, c3 = at - x[i], (3 * d - 2 * m[:-1] - m[1:]) / h, (m[:-1] + m[1:] - 2 * d) / h**2
    return y[i] + t * (m[i] + t * (c2[i] + t * c3[i]))


def link_inverse(link, lr):
    """Return h^-1 of LR grey levels: PCHIP between the knots, straight beyond."""
    hr, knots = np.array(link["hr_grey"]), np.array(link["lr_grey"])
    x = np.union1d(hr[0] + (hr[-1] - hr[0]) * np.linspace(0, 1, 4097) ** 2, hr)
    y, n = pchip(hr, knots, x), len(x) // 64
    first = np.clip((y[n] - y[0]) / (x[n] - x[0]), 0.05, 20)
    last = np.clip((y[-1] - y[-1 - n]) / (x[-1] - x[-1 - n]), 0.05, 20)
    return np.interp(lr, y, x) + np.minimum(lr - y[0], 0) / first + np.maximum(lr - y[-1], 0) / last


def padded(image):
    """Return the image reflected on a grid of fast sides in 8s, and where it lies there."""

    def side(n):
        size = -(-(n + 64) // 8) * 8
        while pow(210, size.bit_length(), size):  # no prime above 7
            size += 8
        return size

    def places(n):
        before, period = (side(n) - n) // 2 // 8 * 8, max(2 * (n - 1), 1)
        index = (np.arange(side(n)) - before) % period
        return np.minimum(index, period - index).clip(0, n - 1), slice(before, before + n)

    (rows, inner_rows), (columns, inner_columns) = places(image.shape[0]), places(image.shape[1])
    return image[rows][:, columns], (inner_rows, inner_columns)


def unet(w, x, told):
    """Return the network's answer (H, W) to features (2, H, W) and conditions (3,)."""
    silu, bias = lambda a: a / (1 + np.exp(-a)), lambda name: w[f"{name}.bias"][:, None, None]

    def conv(name, a):
        k, p = w[f"{name}.weight"], np.pad(a, ((0, 0), (1, 1), (1, 1)), mode="edge")
        seen = lambda i, j: p[:, i : i + a.shape[1], j : j + a.shape[2]]
        return sum(np.tensordot(k[:, :, i, j], seen(i, j), 1) for i, j in np.ndindex(3, 3)) + bias(name)

    def blocks(name, a):
        n = 0
        while (block := f"{name}.{n}") + ".film.weight" in w:
            scale, shift = np.split(w[f"{block}.film.weight"] @ e + w[f"{block}.film.bias"], 2)
            normed = (a - a.mean(0)) / np.sqrt(a.var(0) + 1e-5)
            film = normed * (1 + scale)[:, None, None] + shift[:, None, None]
            a, n = a + conv(f"{block}.second", silu(conv(f"{block}.first", film))), n + 1
        return a

    fold = lambda a: a.reshape(len(a), a.shape[1] // 2, 2, a.shape[2] // 2, 2)
    split = lambda a: a.reshape(-1, 2, 2, *a.shape[1:]).transpose(0, 3, 1, 4, 2)
    unfold = lambda a: split(a).reshape(-1, 2 * a.shape[1], 2 * a.shape[2])
    phase = (np.asarray(told)[:, None] * 2.0 ** np.arange(-3, 4)).ravel()
    e = w["embedding.hidden.weight"] @ np.concatenate([np.sin(phase), np.cos(phase)]) + w["embedding.hidden.bias"]
    e = silu(w["embedding.out.weight"] @ silu(e) + w["embedding.out.bias"])
    x, skips = conv("stem", fold(x).transpose(0, 2, 4, 1, 3).reshape(-1, x.shape[1] // 2, x.shape[2] // 2)), []
    for level in (0, 1):
        skips.append(blocks(f"encoder.{level}", x))
        down = np.einsum("ociq,cyixq->oyx", w[f"down.{level}.weight"], fold(skips[-1]), optimize=True)
        x = down + bias(f"down.{level}")
    x = blocks("bottom", x)
    for level in (1, 0):
        up = np.tensordot(w[f"up.{level}.weight"][:, :, 0, 0], x, 1) + bias(f"up.{level}")
        x = blocks(f"decoder.{level}", unfold(up) + skips[level])
    return unfold(conv("out", x))[0]


def restore(card, lr, steps=None, *, network):
    """Return the HR image (H, W) of an LR image (H, W)."""
    table, prior, lr = card["physics"]["degradation"], card["physics"]["spectrum"], np.asarray(lr, np.float64)
    y, inner = padded(lr)
    pitch, shape = table["pitch_mm"], y.shape
    f = np.hypot(np.fft.fftfreq(shape[0], pitch)[:, None], np.fft.rfftfreq(shape[1], pitch))
    row, known = np.array(table["frequency_lp_mm"]), np.array(prior["frequency_lp_mm"])
    B_1, Sigma_1 = (np.exp(pchip(row, np.log(table[key]), f)) for key in ("B_1", "Sigma_1_mm2"))
    theta = -np.log(np.clip(B_1, 1e-4, 1))
    # Noise falls with the signal; in the dark read noise and scatter remain.
    grey = np.clip(lr, 0.02, 1)
    Sigma_1 = Sigma_1 / pitch**2 * np.mean(grey * (1 + table["excess_noise"] * (1 - grey)))
    S = np.exp(np.interp(np.log(np.maximum(f, known[0] * 1e-3)), np.log(known), np.log(prior["S_mm2"]))) / pitch**2
    S[0, 0] = max(prior["S_mm2"]) * 1e6 / pitch**2  # the mean of other images says nothing about this one's
    twice = np.r_[1, np.full(f.shape[1] - 2, 2), 1]  # padded sides are even
    rms = lambda power: np.sqrt((power * twice).sum() / y.size)
    B, still, safe = lambda t: np.exp(-theta * t), theta == 0, np.where(theta == 0, 1, theta)
    r = lambda t: np.where(still, t, np.expm1(-2 * safe * t) / np.expm1(-2 * safe))

    X, N = fft(y), steps or card["options"].get("steps", 3)
    for n in range(N, 0, -1):
        t, s = (n / N) ** 2, ((n - 1) / N) ** 2
        share = S / (S * B(t) ** 2 + Sigma_1 * r(t))
        estimate, c = ifft(share * B(t) * X, shape), rms(share * Sigma_1 * r(t))
        features = np.stack([(estimate - 0.5) * 4, (ifft(X, shape) - estimate) / c])
        x_0 = estimate + c * network(features, [t, np.log(rms(Sigma_1)), np.log(c)])
        k = np.sqrt(r(s) * (r(t - s) + B(t - s) ** 2 * r(s))) / r(t)  # DDIM with eta = 0
        X = (B(s) - k * B(t)) * fft(x_0) + k * X
    left = Sigma_1 / (S * B(1) ** 2 + Sigma_1)  # of the power, by the filter; half of what the answer lacks is returned
    x_0 = ifft((1 + (1 - card["options"].get("error_share", 0) * left) ** -0.5) / 2 * X, shape)
    M = np.interp(f, row, table["mtf_hr"])
    sharp = ifft(M * 1.01 / (M * M + 0.01) * fft(x_0), shape)  # the link acts before the HR detector's blur
    return (x_0 + ifft(M * fft(link_inverse(table["link"], sharp) - sharp), shape))[inner]


if __name__ == "__main__":
    weights, given, wanted = map(Path, sys.argv[1:])
    w = tensors_of(weights.with_suffix(".safetensors"))
    np.save(wanted, restore(json.loads(weights.read_text()), np.load(given), network=lambda *seen: unet(w, *seen)))
