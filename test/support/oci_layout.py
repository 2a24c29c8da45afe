"""Reads an OCI image layout in a tar as a registry and a runtime do: every document by its digest and size, layers one above the other.
Argument: the tar. Prints a JSON list, one object for each image. Fails where a digest, a size or a layer is not what is said of it."""
import hashlib
import io
import json
import sys
import tarfile
import zlib

tar = tarfile.open(sys.argv[1])


def file_at(path):
    return tar.extractfile(path).read()


def blob(descriptor):
    algorithm, digest = descriptor["digest"].split(":")
    content = file_at(f"blobs/{algorithm}/{digest}")
    assert hashlib.new(algorithm, content).hexdigest() == digest, digest
    assert len(content) == descriptor["size"], descriptor
    return content


def apply_layer(content, diff_id, files):
    plain = zlib.decompress(content, wbits=31)
    assert "sha256:" + hashlib.sha256(plain).hexdigest() == diff_id, diff_id
    seen = {"."}
    for member in tarfile.open(fileobj=io.BytesIO(plain)):
        parent = member.name.rpartition("/")[0] or "."
        assert parent in seen, f"{member.name} comes without its folder"
        seen.add(member.name)
        kind = {tarfile.DIRTYPE: "folder", tarfile.REGTYPE: "file", tarfile.SYMTYPE: "link"}[member.type]
        text = member.linkname if kind == "link" else tar_text(plain, member) if kind == "file" else None
        entry = {"kind": kind, "mode": member.mode, "owner": f"{member.uid}:{member.gid}", "time": member.mtime, "content": text}
        assert kind == "folder" or member.name not in files, f"{member.name} is in two layers"
        files[member.name.removeprefix(".")] = entry


def tar_text(plain, member):
    return tarfile.open(fileobj=io.BytesIO(plain)).extractfile(member.name).read().decode("latin-1")


def images(descriptor):
    document = json.loads(blob(descriptor))
    if "manifests" in document:
        for each in document["manifests"]:
            yield from images(each)
        return
    config = json.loads(blob(document["config"]))
    files = {}
    for layer, diff_id in zip(document["layers"], config["rootfs"]["diff_ids"], strict=True):
        apply_layer(blob(layer), diff_id, files)
    assert config["architecture"] == descriptor["platform"]["architecture"]
    yield {"platform": descriptor["platform"], "config": config["config"], "files": files, "layers": len(document["layers"])}


assert json.loads(file_at("oci-layout")) == {"imageLayoutVersion": "1.0.0"}
index = json.loads(file_at("index.json"))
names = [name.removeprefix("./") for name in tar.getnames()]
docker = json.loads(file_at("manifest.json")) if "manifest.json" in names else None
found = [image for descriptor in index["manifests"] for image in images(descriptor)]
json.dump({"images": found, "digests": [each["digest"] for each in index["manifests"]], "docker": docker}, sys.stdout)
