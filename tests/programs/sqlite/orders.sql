create table customer (id integer primary key, name text not null unique);
create table purchase (
  id integer primary key,
  customer integer not null references customer(id),
  cents integer not null check (cents > 0)
);
create index purchase_by_customer on purchase(customer);
insert into customer(name) values ('Ada'), ('Grace'), ('Edsger'), ('Barbara');
begin;
with recursive n(i) as (select 1 union all select i + 1 from n where i < 5000)
insert into purchase(customer, cents) select 1 + i % 4, 1 + (i * 7919) % 10007 from n;
commit;
begin;
delete from purchase;
rollback;
pragma integrity_check;
