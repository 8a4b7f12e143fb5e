"""The table of methods: what each does to each kind of resource, at each access level."""

from __future__ import annotations

from dataclasses import dataclass

LEVELS = ("read", "write", "manage")

RESOURCES = {
    "root": "/",
    "schema": "/{schema}/",
    "new schema": "/{new}/",
    "relation": "/{schema}/{old}/",
    "relation 2": "/{schema}/{other}/",
    "new relation": "/{schema}/{new}/",
    "data": "/{schema}/{old}.csv",
    "data 2": "/{schema}/{other}.parquet",
    "new data": "/{schema}/{new}.csv",
    "homeless data": "/{new}/{new}.csv",
    "ddl": "/{schema}/{old}.sql",
    "facet": "/{schema}/{old}/columns/",
    "item": "/{schema}/{old}/columns/id",
    "new item": "/{schema}/{old}/columns/{new}",
    "scratch root": "/.scratch/",
    "folder": "/.scratch/{old}/",
    "new folder": "/.scratch/{new}/",
    "file": "/.scratch/{old}.csv",
    "new file": "/.scratch/{new}",
    "homeless file": "/.scratch/{new}/{new}",
    "new junk": "/{schema}/.{new}",
    "new junk folder": "/{schema}/.{new}/",
    "new other name": "/{schema}/{new}.txt",
    "empty schema": "/{empty}/",
    "moved relation": "/{empty}/{old}/",
    "moved data": "/{empty}/{old}.arrow",
}
"""What the cases are about: `old` and `other` are tables, `file` and `folder` are scratch."""

TABLE = """
# method and resource            | read          | write                | manage               | then

GET root                         | 200           | 200                  | 200                  |
GET schema                       | 200           | 200                  | 200                  |
GET new schema                   | 404 not-found | 404 not-found        | 404 not-found        |
GET relation                     | 200           | 200                  | 200                  |
GET new relation                 | 404 not-found | 404 not-found        | 404 not-found        |
GET data                         | 200           | 200                  | 200                  |
GET new data                     | 404 not-found | 404 not-found        | 404 not-found        |
GET ddl                          | 200           | 200                  | 200                  |
GET facet                        | 200           | 200                  | 200                  |
GET item                         | 200           | 200                  | 200                  |
GET new item                     | 404 not-found | 404 not-found        | 404 not-found        |
GET scratch root                 | 404           | 200                  | 200                  |
GET folder                       | 404           | 200                  | 200                  |
GET file                         | 404           | 200                  | 200                  |
GET new file                     | 404           | 404 not-found        | 404 not-found        |
GET new junk                     | 404           | 404 not-found        | 404 not-found        |
GET new other name               | 404 not-found | 404 not-found        | 404 not-found        |

HEAD root                        | 200           | 200                  | 200                  |
HEAD schema                      | 200           | 200                  | 200                  |
HEAD relation                    | 200           | 200                  | 200                  |
HEAD data                        | 200           | 200                  | 200                  |
HEAD new data                    | 404           | 404                  | 404                  |
HEAD ddl                         | 200           | 200                  | 200                  |
HEAD item                        | 200           | 200                  | 200                  |
HEAD file                        | 404           | 200                  | 200                  |

OPTIONS root                     | 200           | 200                  | 200                  |
OPTIONS data                     | 200           | 200                  | 200                  |
OPTIONS relation                 | 200           | 200                  | 200                  |
OPTIONS file                     | 200           | 200                  | 200                  |

PUT root                         | 405           | 405                  | 405                  |
PUT schema                       | 405           | 405                  | 405                  |
PUT relation                     | 405           | 405                  | 405                  |
PUT facet                        | 405           | 405                  | 405                  |
PUT item                         | 405           | 405                  | 405                  |
PUT ddl                          | 405           | 405                  | 405                  |
PUT data                         | 403 read-only | 204                  | 204                  | old = body
PUT new data                     | 403 read-only | 403 forbidden        | 201                  | new = body
PUT homeless data                | 403 read-only | 403 forbidden        | 409 parent-missing   |
PUT file                         | 403 read-only | 204                  | 204                  |
PUT new file                     | 403 read-only | 201                  | 201                  |
PUT homeless file                | 403 read-only | 409 parent-missing   | 409 parent-missing   |
PUT new junk                     | 403 read-only | 201                  | 201                  |
PUT new other name               | 4xx           | 201                  | 201                  |
PUT-nothing data                 | 403 read-only | 204                  | 204                  |
PUT-nothing new data             | 403 read-only | 403 forbidden        | 201                  |
PUT-nothing homeless data        | 403 read-only | 403 forbidden        | 409 parent-missing   |
PUT-nothing file                 | 403 read-only | 204                  | 204                  |
PUT-nothing new file             | 403 read-only | 201                  | 201                  |
PUT-garbage data                 | 403 read-only | 4xx                  | 4xx                  |
PUT-garbage new data             | 403 read-only | 403 forbidden        | 4xx                  |

POST root                        | 405           | 405                  | 405                  |
POST schema                      | 405           | 405                  | 405                  |
POST relation                    | 405           | 405                  | 405                  |
POST item                        | 405           | 405                  | 405                  |
POST data                        | 403 read-only | 200                  | 200                  | old += body
POST new data                    | 403 read-only | 404 not-found        | 404 not-found        |
POST file                        | 405           | 405                  | 405                  |

DELETE root                      | 403 read-only | 403                  | 403                  |
DELETE schema                    | 403 read-only | 403 forbidden        | 501 unsupported      |
DELETE new schema                | 403 read-only | 404 not-found        | 404 not-found        |
DELETE relation                  | 403 read-only | 403 forbidden        | 204                  | drop old
DELETE new relation              | 403 read-only | 404 not-found        | 404 not-found        |
DELETE data                      | 403 read-only | 403 data-file-delete | 403 data-file-delete |
DELETE new data                  | 403 read-only | 403 data-file-delete | 403 data-file-delete |
DELETE ddl                       | 403 read-only | 403                  | 403                  |
DELETE facet                     | 403 read-only | 403                  | 403                  |
DELETE item                      | 403 read-only | 403                  | 403                  |
DELETE scratch root              | 403 read-only | 403                  | 403                  |
DELETE folder                    | 403 read-only | 204                  | 204                  |
DELETE file                      | 403 read-only | 204                  | 204                  |
DELETE new file                  | 403 read-only | 404 not-found        | 404 not-found        |
DELETE new junk                  | 403 read-only | 404 not-found        | 404 not-found        |

MKCOL root                       | 403 read-only | 403                  | 403                  |
MKCOL schema                     | 403 read-only | 405                  | 405                  |
MKCOL new schema                 | 403 read-only | 403 forbidden        | 501 unsupported      |
MKCOL relation                   | 403 read-only | 405                  | 405                  |
MKCOL new relation               | 403 read-only | 403 mkcol-relation   | 403 mkcol-relation   |
MKCOL data                       | 403 read-only | 405                  | 405                  |
MKCOL new data                   | 403 read-only | 405                  | 405                  |
MKCOL facet                      | 403 read-only | 403                  | 403                  |
MKCOL item                       | 403 read-only | 403                  | 403                  |
MKCOL new item                   | 403 read-only | 403                  | 403                  |
MKCOL scratch root               | 403 read-only | 405                  | 405                  |
MKCOL folder                     | 403 read-only | 405                  | 405                  |
MKCOL file                       | 403 read-only | 405                  | 405                  |
MKCOL new folder                 | 403 read-only | 201                  | 201                  |
MKCOL homeless file              | 403 read-only | 409 parent-missing   | 409 parent-missing   |
MKCOL new junk folder            | 403 read-only | 201                  | 201                  |
MKCOL-body new folder            | 403 read-only | 415                  | 415                  |

COPY data > data 2               | 403 read-only | 204                  | 204                  | other = old
COPY-keep data > data 2          | 403 read-only | 412                  | 412                  |
COPY data > new data             | 403 read-only | 403 forbidden        | 201                  | new = old
COPY-keep data > new data        | 403 read-only | 403 forbidden        | 201                  | new = old
COPY data > data                 | 403 read-only | 403                  | 403                  |
COPY data > homeless data        | 403 read-only | 4xx                  | 409 parent-missing   |
COPY new data > data 2           | 403 read-only | 404 not-found        | 404 not-found        |
COPY data > relation             | 403 read-only | 403                  | 403                  |
COPY data > schema               | 403 read-only | 403                  | 403                  |
COPY data > item                 | 403 read-only | 403                  | 403                  |
COPY data > new file             | 403 read-only | 201                  | 201                  |
COPY data > file                 | 403 read-only | 204                  | 204                  |
COPY data > new junk             | 403 read-only | 201                  | 201                  |
COPY data > homeless file        | 403 read-only | 409 parent-missing   | 409 parent-missing   |
COPY relation > new relation     | 403 read-only | 403 forbidden        | 201                  | new = old
COPY relation > relation 2       | 403 read-only | 403 forbidden        | 204                  | other = old
COPY-keep relation > relation 2  | 403 read-only | 4xx                  | 412                  |
COPY relation > data             | 403 read-only | 403                  | 403                  |
COPY relation > new folder       | 403 read-only | 403                  | 403                  |
COPY schema > new schema         | 403 read-only | 403                  | 403                  |
COPY facet > new relation        | 403 read-only | 403                  | 403                  |
COPY item > data 2               | 403 read-only | 403                  | 403                  |
COPY ddl > new file              | 403 read-only | 403                  | 403                  |
COPY root > new schema           | 403 read-only | 403                  | 403                  |
COPY file > data 2               | 403 read-only | 4xx                  | 4xx                  |
COPY file > data                 | 403 read-only | 204                  | 204                  | old = body
COPY file > new data             | 403 read-only | 403 forbidden        | 201                  | new = body
COPY file > new relation         | 403 read-only | 201                  | 201                  |
COPY file > relation             | 403 read-only | 403                  | 403                  |
COPY file > new file             | 403 read-only | 201                  | 201                  |
COPY file > new junk             | 403 read-only | 201                  | 201                  |
COPY file > file                 | 403 read-only | 403                  | 403                  |
COPY folder > new folder         | 403 read-only | 201                  | 201                  |
COPY folder > relation           | 403 read-only | 403                  | 403                  |
COPY folder > new data           | 403 read-only | 403                  | 403                  |
COPY scratch root > new folder   | 403 read-only | 403                  | 403                  |

MOVE data > data 2               | 403 read-only | 403                  | 403                  |
MOVE data > new data             | 403 read-only | 403                  | 403                  |
MOVE data > new file             | 403 read-only | 403                  | 403                  |
MOVE relation > new relation     | 403 read-only | 403 forbidden        | 201                  | old > new
MOVE relation > relation 2       | 403 read-only | 403 forbidden        | 204                  | old > other
MOVE-keep relation > relation 2  | 403 read-only | 4xx                  | 412                  |
MOVE relation > data             | 403 read-only | 403                  | 403                  |
MOVE relation > new folder       | 403 read-only | 403                  | 403                  |
MOVE new relation > relation     | 403 read-only | 404 not-found        | 404 not-found        |
MOVE schema > new schema         | 403 read-only | 403 forbidden        | 403                  |
MOVE facet > new relation        | 403 read-only | 403                  | 403                  |
MOVE item > new item             | 403 read-only | 403                  | 403                  |
MOVE ddl > new file              | 403 read-only | 403                  | 403                  |
MOVE root > new schema           | 403 read-only | 403                  | 403                  |
MOVE file > data                 | 403 read-only | 204                  | 204                  | old = body
MOVE-keep file > data            | 403 read-only | 412                  | 412                  |
MOVE file > new data             | 403 read-only | 403 forbidden        | 201                  | new = body
MOVE file > homeless data        | 403 read-only | 4xx                  | 409 parent-missing   |
MOVE file > data 2               | 403 read-only | 4xx                  | 4xx                  |
MOVE file > relation             | 403 read-only | 403                  | 403                  |
MOVE file > new file             | 403 read-only | 201                  | 201                  |
MOVE file > new other name       | 403 read-only | 201                  | 201                  |
MOVE folder > new folder         | 403 read-only | 201                  | 201                  |
MOVE folder > new data           | 403 read-only | 403                  | 403                  |
MOVE scratch root > new folder   | 403 read-only | 403                  | 403                  |

PROPFIND root                    | 207           | 207                  | 207                  |
PROPFIND schema                  | 207           | 207                  | 207                  |
PROPFIND new schema              | 404 not-found | 404 not-found        | 404 not-found        |
PROPFIND relation                | 207           | 207                  | 207                  |
PROPFIND data                    | 207           | 207                  | 207                  |
PROPFIND new data                | 404 not-found | 404 not-found        | 404 not-found        |
PROPFIND ddl                     | 207           | 207                  | 207                  |
PROPFIND facet                   | 207           | 207                  | 207                  |
PROPFIND item                    | 207           | 207                  | 207                  |
PROPFIND scratch root            | 404           | 207                  | 207                  |
PROPFIND folder                  | 404           | 207                  | 207                  |
PROPFIND file                    | 404           | 207                  | 207                  |
PROPFIND new junk                | 404           | 404 not-found        | 404 not-found        |

PROPPATCH root                   | 403 read-only | 207                  | 207                  |
PROPPATCH schema                 | 403 read-only | 207                  | 207                  |
PROPPATCH relation               | 403 read-only | 207                  | 207                  |
PROPPATCH data                   | 403 read-only | 207                  | 207                  |
PROPPATCH new data               | 403 read-only | 404 not-found        | 404 not-found        |
PROPPATCH ddl                    | 403 read-only | 207                  | 207                  |
PROPPATCH item                   | 403 read-only | 207                  | 207                  |
PROPPATCH file                   | 403 read-only | 207                  | 207                  |
PROPPATCH folder                 | 403 read-only | 207                  | 207                  |

LOCK root                        | 403 read-only | 200                  | 200                  |
LOCK schema                      | 403 read-only | 200                  | 200                  |
LOCK relation                    | 403 read-only | 200                  | 200                  |
LOCK data                        | 403 read-only | 200                  | 200                  |
LOCK ddl                         | 403 read-only | 200                  | 200                  |
LOCK facet                       | 403 read-only | 200                  | 200                  |
LOCK item                        | 403 read-only | 200                  | 200                  |
LOCK new data                    | 403 read-only | 403 forbidden        | 201                  |
LOCK homeless data               | 403 read-only | 4xx                  | 409 parent-missing   |
LOCK new relation                | 403 read-only | 403                  | 403                  |
LOCK new schema                  | 403 read-only | 403                  | 403                  |
LOCK new item                    | 403 read-only | 4xx                  | 4xx                  |
LOCK file                        | 403 read-only | 200                  | 200                  |
LOCK folder                      | 403 read-only | 200                  | 200                  |
LOCK new file                    | 403 read-only | 201                  | 201                  |
LOCK new junk                    | 403 read-only | 201                  | 201                  |
LOCK homeless file               | 403 read-only | 409 parent-missing   | 409 parent-missing   |

UNLOCK data                      | 403 read-only | 409                  | 409                  |
UNLOCK root                      | 403 read-only | 409                  | 409                  |
UNLOCK file                      | 403 read-only | 409                  | 409                  |
"""

SCHEMAS = """
# where the engine has schemas that can be made

MKCOL new schema                 | 403 read-only | 403 forbidden        | 201                  |
MKCOL schema                     | 403 read-only | 405                  | 405                  |
MKCOL new relation               | 403 read-only | 403 mkcol-relation   | 403 mkcol-relation   |
DELETE schema                    | 403 read-only | 403 forbidden        | 409 not-empty        |
DELETE empty schema              | 403 read-only | 403 forbidden        | 204                  |
MOVE schema > new schema         | 403 read-only | 403 forbidden        | 201                  | any
MOVE schema > empty schema       | 403 read-only | 4xx                  | 4xx                  |
COPY schema > new schema         | 403 read-only | 403                  | 403                  |
COPY-shallow schema > new schema | 403 read-only | 403                  | 403                  |
MOVE relation > moved relation   | 403 read-only | 403 forbidden        | 201                  | old > away
COPY relation > moved relation   | 403 read-only | 403 forbidden        | 201                  | away = old
COPY data > moved data           | 403 read-only | 403 forbidden        | 201                  | away = old
"""


@dataclass(frozen=True)
class Case:
    """A line of a table, at one level."""

    action: str
    resource: str
    target: str | None
    level: str
    expected: str
    effect: str

    def __str__(self) -> str:
        return f"{self.level}: {self.action} {self.resource}" + (f" > {self.target}" if self.target else "")


def cases(table: str) -> list[Case]:
    found = []
    for line in table.splitlines():
        if not line or line.startswith("#"):
            continue
        what, *outcomes, effect = (cell.strip() for cell in line.split("|"))
        action, _, places = what.partition(" ")
        resource, _, target = places.partition(" > ")
        found += [
            Case(action, resource, target or None, level, outcome, effect if outcome[0] == "2" else "")
            for level, outcome in zip(LEVELS, outcomes, strict=True)
        ]
    return found
