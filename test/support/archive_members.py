"""Files in archives of packages, by checksum. Arguments: paths of archives: Debian's packages, npm's tarballs, Python's wheels.
Prints a JSON object: path of the archive -> {SHA-256 of a file: its names in it}. Knows formats; knows no image."""
import hashlib
import json
import subprocess
import sys
import tarfile
import zipfile


def of_tar(stream):
    with tarfile.open(fileobj=stream, mode="r|*") as archive:
        for member in archive:
            if member.isfile():
                yield member.name, archive.extractfile(member)


def of_debian(path):
    for part in ("--fsys-tarfile", "--ctrl-tarfile"):
        with subprocess.Popen(["dpkg-deb", part, path], stdout=subprocess.PIPE) as tar:
            yield from of_tar(tar.stdout)


def of_zip(path):
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            yield name, archive.open(name)


def members(path):
    with open(path, "rb") as file:
        start = file.read(8)
        file.seek(0)
        if start == b"!<arch>\n":
            yield from of_debian(path)
        elif start[:2] == b"PK":
            yield from of_zip(path)
        else:
            yield from of_tar(file)


found = {}
for path in sys.argv[1:]:
    sums = found[path] = {}
    for name, content in members(path):
        sums.setdefault(hashlib.file_digest(content, "sha256").hexdigest(), []).append(name)
json.dump(found, sys.stdout)
