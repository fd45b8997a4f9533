"""Loads a map with Docker-Map and works out the actions of `startup`, on an engine that has its images only.

Prints the seconds of each of five times.
"""

import collections
import collections.abc
import sys
import time

# Docker-Map 1.1.1 is older than the Pythons that have these in one place only.
for name in ("Callable", "Iterable", "Mapping", "MutableMapping", "Sequence", "Sized"):
    setattr(collections, name, getattr(collections.abc, name))

import yaml
from dockermap.map.client import MappingDockerClient
from dockermap.map.config.client import ClientConfiguration
from dockermap.map.config.main import ContainerMap

VERSION = "1.41"


class Engine:
    """What Docker-Map asks of an engine for this."""

    api_version = VERSION

    def __init__(self, images):
        self.listed = [{"Id": name, "RepoTags": [name]} for name in images]

    def images(self, **_):
        return self.listed

    def containers(self, **_):
        return []

    def networks(self, **_):
        return []

    def volumes(self, **_):
        return {"Volumes": []}


def actions(text, engine):
    content = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    container_map = ContainerMap(content.pop("name"), content)
    configuration = ClientConfiguration(base_url="unix:///nowhere", version=VERSION)
    configuration.client = engine
    # Only then it knows what the engine can do.
    configuration.version = VERSION
    client = MappingDockerClient(container_map, configuration)
    return sum(len(group) for group in client.get_actions("startup", "__all__"))


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        text = file.read()
    content = yaml.safe_load(text)
    images = {each.get("image") for each in content.values() if isinstance(each, dict)} - {None}
    engine = Engine(["%s/%s:latest" % (content["repository"], image) for image in images])
    for _ in range(5):
        start = time.perf_counter()
        count = actions(text, engine)
        took = time.perf_counter() - start
        # A container is created and started, at the least.
        if count < 2 * sum(name.startswith("service") for name in content):
            sys.exit("only %d actions" % count)
        print(took)


main()
