-- A library with one film of two segments, as the first migration made it.
BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE contents (
	id INTEGER NOT NULL, 
	sha256 BLOB NOT NULL, 
	size INTEGER NOT NULL, 
	modality VARCHAR NOT NULL, 
	format VARCHAR NOT NULL, 
	taken_at FLOAT, 
	latitude FLOAT, 
	longitude FLOAT, 
	width INTEGER, 
	height INTEGER, 
	duration FLOAT, 
	camera VARCHAR, 
	present_locations INTEGER DEFAULT '0' NOT NULL, 
	added_at FLOAT NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (sha256)
);
INSERT INTO "contents" VALUES(1,X'7878787878787878787878787878787878787878787878787878787878787878',1,'video','MP4',NULL,NULL,NULL,NULL,NULL,NULL,NULL,1,1.79532061765121507641e+09);
CREATE TABLE failures (
	id INTEGER NOT NULL, 
	root_id INTEGER NOT NULL, 
	path BLOB NOT NULL, 
	stage VARCHAR NOT NULL, 
	reason VARCHAR NOT NULL, 
	failed_at FLOAT NOT NULL, 
	size INTEGER, 
	mtime_ns INTEGER, 
	inode INTEGER, 
	device INTEGER, 
	PRIMARY KEY (id), 
	UNIQUE (root_id, path), 
	FOREIGN KEY(root_id) REFERENCES roots (id) ON DELETE CASCADE
);
CREATE TABLE locations (
	id INTEGER NOT NULL, 
	root_id INTEGER NOT NULL, 
	content_id INTEGER NOT NULL, 
	path BLOB NOT NULL, 
	state VARCHAR NOT NULL, 
	size INTEGER NOT NULL, 
	mtime_ns INTEGER NOT NULL, 
	inode INTEGER NOT NULL, 
	device INTEGER NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (root_id, path), 
	FOREIGN KEY(root_id) REFERENCES roots (id) ON DELETE CASCADE, 
	FOREIGN KEY(content_id) REFERENCES contents (id)
);
INSERT INTO "locations" VALUES(1,1,1,X'66696C6D2E6D7034','present',1,2,3,4);
CREATE TABLE roots (
	id INTEGER NOT NULL, 
	path BLOB NOT NULL, 
	state VARCHAR NOT NULL, 
	added_at FLOAT NOT NULL, 
	walked_at FLOAT, 
	PRIMARY KEY (id), 
	UNIQUE (path)
);
INSERT INTO "roots" VALUES(1,X'2F72','present',0.0,NULL);
CREATE TABLE segments (
	id INTEGER NOT NULL, 
	content_id INTEGER NOT NULL, 
	ordinal INTEGER NOT NULL, 
	modality VARCHAR NOT NULL, 
	start FLOAT, 
	"end" FLOAT, 
	first_line INTEGER, 
	last_line INTEGER, 
	text VARCHAR, 
	PRIMARY KEY (id), 
	UNIQUE (content_id, ordinal), 
	FOREIGN KEY(content_id) REFERENCES contents (id) ON DELETE CASCADE
);
INSERT INTO "segments" VALUES(1,1,0,'video',0.0,1.0,NULL,NULL,NULL);
INSERT INTO "segments" VALUES(2,1,1,'video',1.0,2.0,NULL,NULL,NULL);
CREATE TABLE spaces (
	id INTEGER NOT NULL, 
	"key" VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	revision VARCHAR NOT NULL, 
	weights_sha256 VARCHAR NOT NULL, 
	dimensions INTEGER NOT NULL, 
	preprocessing VARCHAR NOT NULL, 
	added_at FLOAT NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE ("key")
);
INSERT INTO "spaces" VALUES(1,'tiny-1-000000000000-p1','tiny','1','0000000000000000000000000000000000000000000000000000000000000000',16,'1',1.79532061764821672441e+09);
CREATE TABLE tombstones (
	seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	vector_id INTEGER NOT NULL, 
	space_id INTEGER NOT NULL
);
CREATE TABLE vectors (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	segment_id INTEGER NOT NULL, 
	space_id INTEGER NOT NULL, 
	data BLOB NOT NULL, 
	UNIQUE (segment_id, space_id), 
	FOREIGN KEY(segment_id) REFERENCES segments (id) ON DELETE CASCADE, 
	FOREIGN KEY(space_id) REFERENCES spaces (id)
);
INSERT INTO "vectors" VALUES(1,1,1,X'003C000000000000000000000000000000000000000000000000000000000000');
INSERT INTO "vectors" VALUES(2,2,1,X'0000003C00000000000000000000000000000000000000000000000000000000');
CREATE INDEX contents_without_location ON contents (id) WHERE present_locations = 0;
CREATE INDEX contents_by_time ON contents (taken_at);
CREATE INDEX locations_by_content ON locations (content_id, state);
CREATE INDEX locations_by_inode ON locations (inode, device);
CREATE INDEX vectors_by_space ON vectors (space_id, id);
CREATE INDEX tombstones_by_space ON tombstones (space_id, seq);
CREATE TRIGGER locations_inserted AFTER INSERT ON locations BEGIN 
    UPDATE contents SET present_locations = (
        SELECT count(*) FROM locations WHERE content_id = contents.id AND state = 'present'
    ) WHERE id = NEW.content_id
; END;
CREATE TRIGGER locations_deleted AFTER DELETE ON locations BEGIN 
    UPDATE contents SET present_locations = (
        SELECT count(*) FROM locations WHERE content_id = contents.id AND state = 'present'
    ) WHERE id = OLD.content_id
; END;
CREATE TRIGGER locations_updated AFTER UPDATE OF content_id, state ON locations BEGIN 
    UPDATE contents SET present_locations = (
        SELECT count(*) FROM locations WHERE content_id = contents.id AND state = 'present'
    ) WHERE id = OLD.content_id
; 
    UPDATE contents SET present_locations = (
        SELECT count(*) FROM locations WHERE content_id = contents.id AND state = 'present'
    ) WHERE id = NEW.content_id
; END;
CREATE TRIGGER vectors_deleted AFTER DELETE ON vectors BEGIN INSERT INTO tombstones (vector_id, space_id) VALUES (OLD.id, OLD.space_id); END;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('vectors',2);
COMMIT;
