"""Writes test/fixtures/data/pillow-*: what Pillow makes of small images. Needs pillow 12 and numpy.

    python scripts/make-image-fixtures.py [FOLDER OF THE IMAGENET SAMPLES]
"""
import base64, hashlib, io, json, os, sys
import numpy as np
import PIL
from PIL import Image

out = os.path.join(os.path.dirname(__file__), "..", "test", "fixtures", "data")
os.makedirs(out, exist_ok=True)
b64 = lambda a: base64.b64encode(np.ascontiguousarray(a).tobytes()).decode()
rng = np.random.default_rng(7)


def picture(w, h):
    yy, xx = np.mgrid[0:h, 0:w].astype(np.float64)
    a = np.stack([127 + 120 * np.sin(xx / 3 + yy / 5), 255 * ((xx // 5 + yy // 3) % 2), (xx * 7 + yy * 11) % 256], -1)
    return np.clip(np.round(a + rng.normal(0, 9, a.shape)), 0, 255).astype(np.uint8)


def resizing():
    a = picture(37, 23)
    rgb, grey = Image.fromarray(a), Image.fromarray(a[:, :, 1])
    kinds = {"nearest": Image.NEAREST, "bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC, "lanczos": Image.LANCZOS, "box": Image.BOX, "hamming": Image.HAMMING}
    rows = []
    for name, kind in kinds.items():
        for mode, im, box, size in [("RGB", rgb, (0, 0, 37, 23), (16, 10)), ("RGB", rgb, (0, 0, 37, 23), (61, 50)), ("RGB", rgb, (5, 3, 30, 21), (12, 12)),
                                    ("L", grey, (0, 0, 37, 23), (20, 23)), ("L", grey, (1, 2, 8, 9), (40, 31)), ("RGB", rgb, (0, 0, 37, 23), (5, 3))]:
            r = im.crop(box).resize(size, kind)
            rows.append({"interpolation": name, "mode": mode, "box": box, "width": size[0], "height": size[1], "pixels": b64(np.asarray(r))})
    with open(os.path.join(out, "pillow-resize.json"), "w") as f:
        json.dump({"pillow": PIL.__version__, "source": {"width": 37, "height": 23, "rgb": b64(a)}, "results": rows}, f, indent=1)
        f.write("\n")


def decoding():
    """Encoded files and what Image.open(...).convert('RGB') and convert('L') give."""
    a = picture(19, 13)
    rgb = Image.fromarray(a)
    rows = []

    def put(name, note, save, **keep):
        b = io.BytesIO()
        save(b)
        opened = Image.open(io.BytesIO(b.getvalue()))
        r = opened.convert("RGB")
        rows.append({"name": name, "note": note, "mode": opened.mode, "file": base64.b64encode(b.getvalue()).decode(), "width": r.width, "height": r.height,
                     "rgb": b64(np.asarray(r)), "grey": b64(np.asarray(r.convert("L"))), **keep})

    cmyk = rgb.convert("CMYK")
    k = np.asarray(cmyk).copy(); k[..., 3] = (np.arange(19)[None] * 9 % 200); cmyk = Image.fromarray(k, "CMYK")
    exif = Image.Exif(); exif[0x0112] = 6
    put("jpeg 4:2:0", "chroma upsampling", lambda f: rgb.save(f, "JPEG", quality=88))
    put("jpeg 4:4:4", "", lambda f: rgb.save(f, "JPEG", quality=95, subsampling=0))
    put("jpeg progressive", "", lambda f: rgb.save(f, "JPEG", quality=80, progressive=True))
    put("jpeg grey", "", lambda f: rgb.convert("L").save(f, "JPEG"))
    put("jpeg cmyk", "Adobe marker, inverted inks", lambda f: cmyk.save(f, "JPEG", quality=95))
    put("jpeg exif orientation 6", "Pillow does not rotate", lambda f: rgb.save(f, "JPEG", quality=90, exif=exif))
    put("png grey alpha", "", lambda f: rgb.convert("LA").save(f, "PNG"))
    rgba = rgb.convert("RGBA"); rgba.putalpha(Image.fromarray(np.tile(np.linspace(0, 255, 19).astype(np.uint8), (13, 1))))
    put("png rgba", "alpha dropped, not blended", lambda f: rgba.save(f, "PNG"))
    put("png palette", "", lambda f: rgb.convert("P", palette=Image.ADAPTIVE, colors=9).save(f, "PNG", bits=4))
    put("png palette transparent", "", lambda f: rgb.convert("P", palette=Image.ADAPTIVE, colors=9).save(f, "PNG", transparency=3))
    put("png one bit", "", lambda f: rgb.convert("1").save(f, "PNG"))
    put("gif", "", lambda f: rgb.convert("P", palette=Image.ADAPTIVE, colors=16).save(f, "GIF"))
    put("bmp 24", "", lambda f: rgb.save(f, "BMP"))
    put("bmp 8", "palette", lambda f: rgb.convert("P", palette=Image.ADAPTIVE, colors=16).save(f, "BMP"))
    put("bmp grey", "", lambda f: rgb.convert("L").save(f, "BMP"))
    put("ppm", "", lambda f: rgb.save(f, "PPM"))
    put("pgm", "", lambda f: rgb.convert("L").save(f, "PPM"))
    put("webp lossless", "", lambda f: rgb.save(f, "WEBP", lossless=True))
    put("webp", "", lambda f: rgb.save(f, "WEBP", quality=80))
    put("tiff", "", lambda f: rgb.save(f, "TIFF"))
    put("tiff lzw", "", lambda f: rgb.save(f, "TIFF", compression="tiff_lzw"))
    g16 = Image.fromarray(np.arange(247, dtype=np.uint16).reshape(13, 19) * 263)
    put("png grey 16", "differs on purpose: Pillow clips at 255, we keep the high byte", lambda f: g16.save(f, "PNG"), ours=b64((np.asarray(g16) >> 8).astype(np.uint8)))
    with open(os.path.join(out, "pillow-decode.json"), "w") as f:
        json.dump({"pillow": PIL.__version__, "images": rows}, f, indent=1)
        f.write("\n")


def samples(folder):
    """Hashes of every tenth image: as decoded, and after Resize(232, bicubic) and CenterCrop(224)."""
    rows = []
    for line in open(os.path.join(folder, "list.tsv")).read().splitlines()[::10]:
        path = line.split("\t")[0]
        im = Image.open(os.path.join(folder, path)).convert("RGB")
        w, h = im.size
        size = (232, int(232 * h / w)) if w <= h else (int(232 * w / h), 232)
        r = im.resize(size, Image.BICUBIC)
        left, top = int(round((size[0] - 224) / 2.0)), int(round((size[1] - 224) / 2.0))
        r = r.crop((left, top, left + 224, top + 224))
        rows.append({"path": path, "decoded": hashlib.sha1(im.tobytes()).hexdigest(), "evaluated": hashlib.sha1(r.tobytes()).hexdigest()})
    with open(os.path.join(out, "pillow-samples.json"), "w") as f:
        json.dump({"pillow": PIL.__version__, "images": rows}, f, indent=1)
        f.write("\n")


resizing()
decoding()
if len(sys.argv) > 1:
    samples(sys.argv[1])
