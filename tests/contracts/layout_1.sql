-- A database of layout 1, as a gateway wrote it that kept members beside servers.
PRAGMA application_id=1195921237;
PRAGMA user_version=1;
BEGIN TRANSACTION;
CREATE TABLE items (
            space TEXT NOT NULL,
            pk TEXT NOT NULL,
            sk TEXT NOT NULL,
            data TEXT,
            count INTEGER,
            version INTEGER NOT NULL,
            expires_at INTEGER,
            PRIMARY KEY (space, pk, sk)
        );
INSERT INTO "items" VALUES('registry','ORG','HEAD','{"name":"Acme","revision":"6574a4303c8f5947"}',NULL,4,NULL);
INSERT INTO "items" VALUES('registry','ORG','WORKSPACE#ws-298qvv9s','{"id":"ws-298qvv9s","slug":"research","name":"research"}',NULL,1,NULL);
INSERT INTO "items" VALUES('registry','NAME#research','NAME','{"kind":"workspace","id":"ws-298qvv9s"}',NULL,1,NULL);
INSERT INTO "items" VALUES('registry','NAME#ws-298qvv9s','NAME','{"kind":"workspace","id":"ws-298qvv9s"}',NULL,1,NULL);
INSERT INTO "items" VALUES('registry','ORG','SERVER#weather-fpkg7zp3','{"id":"weather-fpkg7zp3","slug":"weather","name":"weather","url":"https://weather.example/mcp","transport":"auto","auth":{"type":"none"},"workspaces":["ws-298qvv9s"],"timeout_s":60.0,"era":"auto","jwt_validation":null}',NULL,1,NULL);
INSERT INTO "items" VALUES('registry','NAME#weather','NAME','{"kind":"server","id":"weather-fpkg7zp3"}',NULL,1,NULL);
INSERT INTO "items" VALUES('registry','NAME#weather-fpkg7zp3','NAME','{"kind":"server","id":"weather-fpkg7zp3"}',NULL,1,NULL);
INSERT INTO "items" VALUES('registry','ORG','GROUPS','{"groups":[{"group":"eng","organisation":null,"workspaces":{"ws-298qvv9s":"member"}}]}',NULL,1,NULL);
INSERT INTO "items" VALUES('registry','ORG','MEMBER#p-7sfh6yrx','{"id":"p-7sfh6yrx","email":"ana@acme.dev","name":"Ana","given":{"organisation":"owner","workspaces":{}},"mapped":{"organisation":"member","workspaces":{}},"identity":{"issuer":"built-in","subject":"cea682ad0eac64a10d089e7c06bfba4a"},"created_at":1795000000,"created_by":"the set-up link","signed_in_at":1795000000}',NULL,1,NULL);
INSERT INTO "items" VALUES('registry','EMAIL#ana@acme.dev','MEMBER','{"id":"p-7sfh6yrx"}',NULL,1,NULL);
INSERT INTO "items" VALUES('registry','IDENTITY#8c6376850a79207f025af5675c5d0f045974fef19ef42da6ad122fbcada61c30','MEMBER','{"id":"p-7sfh6yrx"}',NULL,1,NULL);
INSERT INTO "items" VALUES('registry','ORG','FIRST-OWNER','{"at":1795000000}',NULL,1,NULL);
INSERT INTO "items" VALUES('grants','PASSWORD#p-7sfh6yrx','PASSWORD','{"scheme":"scrypt","n":32768,"r":8,"p":3,"salt":"maDXNPInvzYAc7+KjZXgaQ==","hash":"uUEhVi2T8Ta+iS46DCcmss3nyYyVCWgpOs6Q0FvRTNM="}',NULL,1,NULL);
INSERT INTO "items" VALUES('registry','ORG','MEMBER#p-kdf39skj','{"id":"p-kdf39skj","email":"ben@acme.dev","name":"","given":{"organisation":"auditor","workspaces":{}},"mapped":{"organisation":"member","workspaces":{}},"identity":null,"created_at":1795000000,"created_by":"p-7sfh6yrx","signed_in_at":null}',NULL,1,NULL);
INSERT INTO "items" VALUES('registry','EMAIL#ben@acme.dev','MEMBER','{"id":"p-kdf39skj"}',NULL,1,NULL);
INSERT INTO "items" VALUES('grants','WORKSPACE#ws-298qvv9s','KEY#k-4cj6cv6g','{"id":"k-4cj6cv6g","workspace_id":"ws-298qvv9s","hash":"2d2a3bb522e0f7dd0c05efcfb89cbcd9021a90e6a6a30a68d7a69cedfc772390","kind":"service","subject":"ci","servers":null,"created_at":1795000000,"created_by":"test","expires_at":null,"revoked_at":null,"revoked_by":null,"member_id":null}',NULL,1,NULL);
CREATE INDEX items_by_expiry ON items (expires_at) WHERE expires_at IS NOT NULL;
COMMIT;
